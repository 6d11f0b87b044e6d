//! What the binary's listeners answer, and what is counted of it.

use super::Site;

#[tokio::test]
async fn a_worker_has_no_series_of_requests_and_the_api_has_them() {
    let site = Site::new();
    let (api, worker) = tokio::join!(site.start("api"), site.start("worker"));
    // Neither a request for another host nor one for nothing makes a series on a worker.
    for path in ["/metrics", "/nothing"] {
        let request = site.http.get(worker.url(path)).header("host", "evil.example");
        assert_eq!(request.send().await.unwrap().status(), 421);
    }
    let scrape = worker.get("/metrics").await;
    assert!(!scrape.contains("darkroom_http_") && !scrape.contains("listener=\"api\""), "{scrape}");
    assert!(scrape.contains("darkroom_connections_open{listener=\"admin\"}"), "{scrape}");

    let alive = site.http.get(format!("{}/livez", site.api)).send().await.unwrap();
    assert_eq!((alive.status().as_u16(), alive.text().await.unwrap()), (200, "alive\n".to_owned()));
    let duration = "darkroom_http_request_duration_seconds";
    assert_eq!(api.metric(&format!("{duration}_count"), "request=\"get_liveness\"").await, 1.0);
    assert_eq!(api.metric(&format!("{duration}_count"), "request=\"get_image\"").await, 0.0);
    let scrape = api.get("/metrics").await;
    assert!(scrape.contains("darkroom_connections_open{listener=\"api\"}"), "{scrape}");
}

#[tokio::test]
async fn a_delete_that_is_off_says_how_to_turn_it_on() {
    let site = Site::new();
    let mut command = site.command("local");
    command.env_remove("DARKROOM_ALLOW_DELETE");
    let _darkroom = site.run(command).await;
    let answer = site.http.delete(format!("{}/images/cat", site.api)).send().await.unwrap();
    assert_eq!(answer.status(), 405);
    let told = answer.text().await.unwrap();
    assert!(told.contains("DARKROOM_ALLOW_DELETE=on"), "{told}");
}
