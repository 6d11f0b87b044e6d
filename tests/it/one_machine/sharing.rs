//! Several processes on one directory, one of them killed.

use super::Site;

#[tokio::test]
async fn two_workers_and_an_api_share_a_directory_and_one_may_be_killed() {
    let site = Site::new();
    let (api, one, two) = tokio::join!(site.start("api"), site.start("worker"), site.start("worker"));
    let mut ids = site.upload_many(30).await;
    one.kill().await;
    ids.extend(site.upload_many(30).await);
    for id in &ids {
        site.expect_published(id).await;
    }
    let three = site.start("worker").await;
    for process in [api, two, three] {
        let log = process.printed();
        assert!(!log.contains("locked") && !log.contains("ERROR"), "{log}");
        process.stop().await;
    }
    site.expect_nothing_but(ids.len());
}
