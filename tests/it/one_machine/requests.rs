//! The answers of the binary's listeners, and the metrics of the requests.

use super::Site;

#[tokio::test]
async fn a_worker_has_no_series_of_requests_and_the_api_has_them() {
    let site = Site::new();
    let (api, worker) = tokio::join!(site.start("api"), site.start("worker"));
    // Requests for another host or an unknown path add no series on a worker.
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
    let error = answer.text().await.unwrap();
    assert!(error.contains("DARKROOM_ALLOW_DELETE=on"), "{error}");
}

/// SQLite itself waits for five seconds, as in a worker; the API answers earlier.
#[tokio::test]
async fn a_locked_database_is_answered_with_503_before_sqlite_gives_up() {
    let site = Site::new();
    let api = site.start("api").await;
    let id = site.invite().await.unwrap().0;
    let other = rusqlite::Connection::open(site.data().join("darkroom.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for (method, path) in [("POST", "/images".to_owned()), ("DELETE", format!("/images/{id}"))] {
        let request = site.http.request(method.parse().unwrap(), format!("{}{path}", site.api));
        let answer = request.send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (503, &"5".parse().unwrap()),
            "{path}"
        );
    }
    let log = api.printed();
    assert_eq!(log.matches("no answer within 1s 800ms").count(), 2, "{log}");
    other.execute_batch("ROLLBACK").unwrap();
    site.upload(&crate::images::jpeg(64, 48)).await;
    api.stop().await;
}

/// SQLite would continue with the deleted file, and lose everything written to it.
#[tokio::test]
async fn a_database_that_is_gone_or_replaced_is_answered_with_503() {
    let site = Site::new();
    let api = site.start("api").await;
    let (id, upload) = site.invite().await.unwrap();
    let (database, moved) = (site.data().join("darkroom.db"), site.dir.path().join("moved"));
    let expect_503 = async |what: &str| {
        for (method, path) in [("POST", "/images".to_owned()), ("GET", format!("/images/{id}"))] {
            let request = site.http.request(method.parse().unwrap(), format!("{}{path}", site.api));
            assert_eq!(request.send().await.unwrap().status(), 503, "{method} {path}, {what}");
        }
        assert_eq!(site.put(&upload, b"a photograph").await.unwrap().status(), 503, "an upload, {what}");
    };
    std::fs::rename(&database, &moved).unwrap();
    expect_503("gone").await;
    std::fs::write(&database, "").unwrap();
    expect_503("replaced").await;
    std::fs::rename(&moved, &database).unwrap();
    assert_eq!(site.put(&upload, b"a photograph").await.unwrap().status(), 200);

    std::fs::rename(site.data(), &moved).unwrap();
    expect_503("without its directory").await;
    let log = api.printed();
    assert!(log.contains("darkroom.db: No such file") && !log.contains("answered 500"), "{log}");
    std::fs::rename(&moved, site.data()).unwrap();
    api.stop().await;
}
