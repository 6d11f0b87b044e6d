//! The upload page as a browser receives it.

use darkroom::config::PublicUrl;
use darkroom::recipe::Size;

use super::{Bench, get, with};

#[tokio::test(start_paused = true)]
async fn the_page_comes_with_a_policy_that_lets_only_its_own_files_run() {
    let bench = Bench::new();
    let page = bench.get("/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        page.header("content-security-policy"),
        Some(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    assert!(page.body.contains("data-max-bytes=\"1000000\""), "the page knows the limit");
    assert!(page.body.contains("small (100 pixels), medium (500 pixels) and large (1000 pixels)"), "{}", page.body);
    let others = Bench::with(|settings| settings.sizes = vec![Size { name: "icon".to_owned(), side: 64 }]);
    let body = others.get("/").await.body;
    assert!(body.contains(">icon (64 pixels)<") && !body.contains("{{"), "{body}");

    let public = Bench::with(|settings| settings.public_url = PublicUrl::parse("https://cdn.example/t").ok());
    let policy = public.get("/").await;
    let policy = policy.header("content-security-policy").unwrap();
    assert!(policy.contains("img-src 'self' https://cdn.example;"), "{policy}");
}

#[tokio::test(start_paused = true)]
async fn every_file_that_the_page_names_is_served_with_its_type() {
    let bench = Bench::new();
    let page = bench.get("/").await.body;
    let mut paths: Vec<String> =
        page.split(['"', '\'']).filter(|text| text.starts_with("/page/")).map(str::to_owned).collect();
    for module in ["page", "item", "follow", "upload"] {
        let script = bench.get(&format!("/page/{module}.js")).await.body;
        let imports =
            script.split("from \"./").skip(1).map(|rest| format!("/page/{}", rest.split('"').next().unwrap()));
        paths.extend(imports);
    }
    assert!(paths.len() >= 8, "{paths:?}");
    for path in paths {
        let file = bench.get(&path).await;
        let expected = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!((file.status, file.header("content-type")), (200, Some(expected)), "{path}");
        assert_eq!(file.header("x-content-type-options"), Some("nosniff"), "{path}");
        let again = bench.call(with(get(&path), "if-none-match", file.header("etag").unwrap())).await;
        assert_eq!((again.status, &*again.body), (304, ""), "{path}");
    }
    bench.get("/page/../page.js").await.expect_problem(404, "no-such-path");
}
