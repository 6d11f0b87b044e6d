//! `?wait=`, `?until=` and entity tags, on a paused clock so that every duration is exact.

use std::time::Duration;

use axum::body::Body;
use darkroom::config::PublicUrl;
use darkroom::ports::ErrorKind;
use darkroom::record::Reason;
use tokio::time::Instant;

use super::{Answer, Bench, get, request, with};

/// Returns the duration of the call and its answer.
async fn timed(bench: &Bench, request: axum::http::Request<Body>) -> (Duration, Answer) {
    let start = Instant::now();
    let answer = bench.call(request).await;
    (start.elapsed(), answer)
}

async fn tag(bench: &Bench, path: &str) -> String {
    bench.get(path).await.header("etag").expect("an entity tag").to_owned()
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_final_image_is_answered_at_once() {
    let bench = Bench::new();
    bench.published("cat").await;
    let (took, answer) = timed(&bench, get("/images/cat?wait=20s")).await;
    assert_eq!((took, answer.status), (Duration::ZERO, 200));
}

#[tokio::test(start_paused = true)]
async fn without_a_tag_the_next_change_ends_the_wait() {
    let bench = Bench::new();
    bench.waiting_for_upload("cat");
    let change = async {
        tokio::time::sleep(Duration::from_secs(7)).await;
        bench.claim("cat", "01").await;
    };
    let ((took, answer), ()) = tokio::join!(timed(&bench, get("/images/cat?wait=20s")), change);
    assert_eq!(answer.json()["status"], "waiting_for_thumbnails");
    assert!((7 * SECOND..=8 * SECOND).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_change_the_wait_ends_with_the_image() {
    let bench = Bench::new();
    bench.waiting_for_upload("cat");
    let (took, answer) = timed(&bench, get("/images/cat?wait=3s")).await;
    assert_eq!((took, answer.status), (3 * SECOND, 200));
    assert!(bench.records.looks() < 12, "the catalog was asked {} times", bench.records.looks());
}

#[tokio::test(start_paused = true)]
async fn a_known_tag_is_not_modified_until_the_image_changes() {
    let bench = Bench::new();
    bench.waiting_for_upload("cat");
    let first = tag(&bench, "/images/cat").await;
    let (took, answer) = timed(&bench, with(get("/images/cat"), "if-none-match", &first)).await;
    assert_eq!((took, answer.status, &*answer.body), (Duration::ZERO, 304, ""));
    assert_eq!(answer.header("etag"), Some(&*first));

    let (took, answer) = timed(&bench, with(get("/images/cat?wait=20s"), "if-none-match", &first)).await;
    assert_eq!((took, answer.status), (20 * SECOND, 304));

    let change = async {
        tokio::time::sleep(5 * SECOND).await;
        bench.claim("cat", "01").await;
    };
    let waiting = timed(&bench, with(get("/images/cat?wait=20s"), "if-none-match", &first));
    let ((took, answer), ()) = tokio::join!(waiting, change);
    assert!((5 * SECOND..=6 * SECOND).contains(&took), "{took:?}");
    assert_eq!(answer.status, 200);
    assert_ne!(answer.header("etag"), Some(&*first));

    let (took, answer) = timed(&bench, with(get("/images/cat?wait=20s"), "if-none-match", &first)).await;
    assert_eq!((took, answer.status), (Duration::ZERO, 200), "an old tag is answered at once");
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_cut_to_20_seconds_and_needs_its_unit() {
    let bench = Bench::new();
    bench.waiting_for_upload("cat");
    let (took, answer) = timed(&bench, get("/images/cat?wait=5m")).await;
    assert_eq!((took, answer.status), (20 * SECOND, 200));
    let detail = bench.get("/images/cat?wait=20").await.expect_problem(400, "bad-request");
    assert_eq!(detail, "wait is a duration such as 20s, not \"20\"");
}

#[tokio::test(start_paused = true)]
async fn until_final_passes_over_changes_and_ends_at_every_final_status() {
    for path in ["/images/cat?until=final", "/images/cat?wait=20s&until=final", "/images?key=uploads%2Fcat&until=final"]
    {
        for is_refused in [false, true] {
            let bench = Bench::new();
            bench.waiting_for_upload("cat");
            let changes = async {
                tokio::time::sleep(5 * SECOND).await;
                if is_refused {
                    return bench.reject("cat", "01", Reason::Corrupt).await;
                }
                bench.claim("cat", "01").await;
                tokio::time::sleep(5 * SECOND).await;
                bench.publish("cat").await;
            };
            let ((took, answer), ()) = tokio::join!(timed(&bench, get(path)), changes);
            let (expected, least) =
                if is_refused { ("invalid_content_type", 5 * SECOND) } else { ("published", 10 * SECOND) };
            assert_eq!(answer.json()["status"], expected, "{path}");
            assert!((least..=least + SECOND).contains(&took), "{path}: {took:?}");
            let (took, answer) = timed(&bench, get(path)).await;
            assert_eq!((took, answer.status), (Duration::ZERO, 200), "{path}: it is final");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn until_final_ends_after_the_wait_and_knows_tags() {
    let bench = Bench::new();
    bench.waiting_for_upload("cat");
    let (took, answer) = timed(&bench, get("/images/cat?until=final")).await;
    assert_eq!((took, answer.status, answer.header("retry-after")), (20 * SECOND, 200, None));
    let first = answer.header("etag").unwrap().to_owned();
    let (took, answer) = timed(&bench, with(get("/images/cat?wait=3s&until=final"), "if-none-match", &first)).await;
    assert_eq!((took, answer.status), (3 * SECOND, 304));

    let change = async {
        tokio::time::sleep(SECOND).await;
        bench.claim("cat", "01").await;
    };
    let request = with(get("/images/cat?wait=3s&until=final"), "if-none-match", &first);
    let ((took, answer), ()) = tokio::join!(timed(&bench, request), change);
    assert_eq!((took, answer.status), (3 * SECOND, 200), "changed, and not final");
    bench.publish("cat").await;
    let last = tag(&bench, "/images/cat").await;
    let (took, answer) = timed(&bench, with(get("/images/cat?until=final"), "if-none-match", &last)).await;
    assert_eq!((took, answer.status), (Duration::ZERO, 304), "nothing more happens to it");
    bench.get("/images/dog?until=final").await.expect_problem(404, "unknown-image");
}

#[tokio::test(start_paused = true)]
async fn another_end_of_the_wait_is_refused() {
    let bench = Bench::new();
    bench.published("cat").await;
    for path in ["/images/cat?until=", "/images?key=uploads%2Fcat&until="] {
        for until in ["Final", "published", "20s", "final%20"] {
            let detail = bench.get(&format!("{path}{until}")).await.expect_problem(400, "bad-request");
            assert_eq!(detail, format!("until is change or final, not {:?}", until.replace("%20", " ")));
        }
    }
    bench.get("/images/cat?until=final&until=change").await.expect_problem(400, "bad-request");
    assert_eq!(bench.get("/images/cat?until=change").await.status, 200);
}

/// Waits are not counted in the latency metrics.
#[test]
fn the_measured_time_of_a_request_leaves_out_its_wait() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let scrape = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let bench = Bench::new();
            bench.waiting_for_upload("cat");
            let (took, _) = timed(&bench, get("/images/cat?wait=3s")).await;
            assert_eq!(took, 3 * SECOND);
        });
    });
    let scrape = scrape.render();
    let sum = "darkroom_http_request_duration_seconds_sum{request=\"get_image\"}";
    let line = scrape.lines().find_map(|line| line.strip_prefix(sum)).unwrap_or_else(|| panic!("{scrape}"));
    assert!(line.trim().parse::<f64>().unwrap() < 0.001, "{line}");
    assert!(scrape.contains("darkroom_http_request_duration_seconds_count{request=\"get_image\"} 1"), "{scrape}");
}

#[tokio::test(start_paused = true)]
async fn where_requests_cannot_wait_the_client_must_ask_again() {
    let bench = Bench::with(|settings| settings.max_wait = Duration::ZERO);
    bench.waiting_for_upload("cat");
    let (took, answer) = timed(&bench, get("/images/cat?wait=20s")).await;
    assert_eq!((took, answer.status, answer.header("retry-after")), (Duration::ZERO, 200, Some("1")));
    let known = with(get("/images/cat?wait=20s"), "if-none-match", answer.header("etag").unwrap());
    let (took, answer) = timed(&bench, known).await;
    assert_eq!((took, answer.status, answer.header("retry-after")), (Duration::ZERO, 304, Some("1")));
    let (took, answer) = timed(&bench, get("/images/cat?until=final")).await;
    assert_eq!((took, answer.status, answer.header("retry-after")), (Duration::ZERO, 200, Some("1")));
    bench.claim("cat", "01").await;
    bench.publish("cat").await;
    for path in ["/images/cat?wait=20s", "/images/cat?until=final"] {
        assert_eq!(bench.get(path).await.header("retry-after"), None, "{path}");
    }
}

/// Regression: a client that received "not modified" kept URLs that had expired.
#[tokio::test(start_paused = true)]
async fn a_tag_goes_stale_with_the_signatures_of_its_urls() {
    let bench = Bench::new();
    bench.published("cat").await;
    let first = tag(&bench, "/images/cat").await;
    tokio::time::advance(Duration::from_secs(899)).await;
    assert_eq!(tag(&bench, "/images/cat").await, first);
    tokio::time::advance(Duration::from_secs(1)).await;
    let answer = bench.call(with(get("/images/cat"), "if-none-match", &first)).await;
    assert_eq!(answer.status, 200);
    assert_ne!(answer.header("etag"), Some(&*first));
    assert!(answer.body.contains("?at=1700001000&for=3600"), "{}", answer.body);

    let public = Bench::with(|settings| settings.public_url = PublicUrl::parse("https://cdn.example").ok());
    public.published("cat").await;
    let first = tag(&public, "/images/cat").await;
    tokio::time::advance(Duration::from_hours(2)).await;
    assert_eq!(tag(&public, "/images/cat").await, first, "public URLs do not expire");
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_when_the_server_shuts_down_or_its_catalog_fails() {
    let bench = Bench::new();
    bench.waiting_for_upload("cat");
    let failure = async {
        tokio::time::sleep(2 * SECOND).await;
        bench.records.fail_with(Some(ErrorKind::Unavailable));
    };
    let ((took, answer), ()) = tokio::join!(timed(&bench, get("/images/cat?wait=20s")), failure);
    answer.expect_problem(503, "unavailable");
    assert!(took <= 3 * SECOND, "{took:?}");
    bench.records.fail_with(None);

    let shutdown = async {
        tokio::time::sleep(2 * SECOND).await;
        bench.shutdown.cancel();
    };
    let ((took, answer), ()) = tokio::join!(timed(&bench, get("/images/cat?wait=20s")), shutdown);
    assert_eq!((took, answer.status), (2 * SECOND, 200));
}

#[tokio::test(start_paused = true)]
async fn a_catalog_that_does_not_answer_is_503_within_two_seconds() {
    let bench = Bench::with(|settings| settings.may_delete = true);
    bench.waiting_for_upload("cat");
    bench.records.fall_silent();
    for (method, path) in [
        ("GET", "/images/cat"),
        ("GET", "/images/cat?until=final"),
        ("GET", "/images?key=uploads%2Fcat"),
        ("GET", "/images/cat/small"),
        ("GET", "/upload-url"),
        ("POST", "/images"),
        ("DELETE", "/images/cat"),
    ] {
        let (took, answer) = timed(&bench, request(method, path, "")).await;
        answer.expect_problem(503, "unavailable");
        assert!(took <= 2 * SECOND, "{method} {path}: {took:?}");
    }
    let (took, answer) = timed(&bench, get("/livez")).await;
    assert_eq!((took, answer.status), (Duration::ZERO, 200));
}

#[tokio::test(start_paused = true)]
async fn a_catalog_that_falls_silent_ends_a_wait_within_two_seconds() {
    let bench = Bench::new();
    bench.waiting_for_upload("cat");
    let silence = async {
        tokio::time::sleep(5 * SECOND).await;
        bench.records.fall_silent();
    };
    let ((took, answer), ()) = tokio::join!(timed(&bench, get("/images/cat?until=final")), silence);
    answer.expect_problem(503, "unavailable");
    // Up to a second passes between two calls.
    assert!((5 * SECOND..=8 * SECOND).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_a_timeout() {
    let bench = Bench::new();
    let body = Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let (took, answer) = timed(&bench, request("POST", "/images", body)).await;
    answer.expect_problem(408, "request-timeout");
    assert_eq!(took, 10 * SECOND);

    let broken = futures_util::stream::iter([Ok("{"), Err(std::io::Error::other("reset"))]);
    bench.call(request("POST", "/images", Body::from_stream(broken))).await.expect_problem(400, "bad-request");
}
