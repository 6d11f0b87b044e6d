//! The API below `DARKROOM_BASE_PATH`, behind proxies that keep the path and behind those that remove it.

use darkroom::config::BasePath;

use super::{Bench, get, request, with};

fn below_photos() -> Bench {
    Bench::with(|settings| settings.base_path = BasePath::parse("/photos").unwrap())
}

#[tokio::test(start_paused = true)]
async fn every_route_answers_with_and_without_the_base_path() {
    let bench = below_photos();
    bench.published("cat").await;
    for path in
        ["/", "/page/page.js", "/openapi.json", "/livez", "/images/cat", "/upload-url", "/images?key=uploads/cat"]
    {
        for base in ["", "/photos"] {
            assert_eq!(bench.get(&format!("{base}{path}")).await.status, 200, "{base}{path}");
        }
    }
    assert_eq!(bench.get("/photos").await.status, 200, "the page also without a slash at the end");
    for path in ["/photos2/livez", "/photo/livez", "/photos/photos/livez", "/photos/nothing"] {
        bench.get(path).await.expect_problem(404, "no-such-path");
    }
    let without = Bench::new();
    without.get("/photos/livez").await.expect_problem(404, "no-such-path");
}

#[tokio::test(start_paused = true)]
async fn answers_lead_back_below_the_base_path() {
    let bench = below_photos();
    for path in ["/images", "/photos/images"] {
        let created = bench.call(with(request("POST", path, ""), "host", "images.example")).await;
        assert_eq!(created.status, 201);
        let location = created.header("location").unwrap();
        assert_eq!(location, format!("/photos/images/{}", created.json()["id"].as_str().unwrap()));
        assert_eq!(bench.call(get(location)).await.status, 200);
    }
    let page = bench.get("/photos/").await.body;
    let script = page.split("src=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(script, "/photos/page/page.js");
    assert_eq!(bench.get(script).await.status, 200);
    assert!(page.contains("data-base-path=\"/photos\""), "{page}");
    assert_eq!(bench.get("/photos/openapi.json").await.json()["servers"][0]["url"], "/photos/");
}

/// Metrics and the rule about other sites go by the route, so a base path must not hide it.
#[tokio::test(start_paused = true)]
async fn a_write_from_another_site_is_refused_below_the_base_path() {
    let bench = below_photos();
    let foreign = with(get("/photos/upload-url"), "sec-fetch-site", "cross-site");
    bench.call(foreign).await.expect_problem(403, "cross-site");
}
