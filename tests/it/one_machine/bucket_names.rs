//! A directory that was used with another `DARKROOM_UPLOAD_BUCKET` or `DARKROOM_THUMBNAIL_BUCKET`.

use super::Site;
use crate::images;

/// Every command that opens the directory refuses it. With the right name, its contents are unchanged.
#[tokio::test]
async fn another_bucket_name_ends_with_2_names_the_setting_and_harms_nothing() {
    let site = Site::new();
    let names =
        |thumbnails: &'static str| [("DARKROOM_UPLOAD_BUCKET", "photos"), ("DARKROOM_THUMBNAIL_BUCKET", thumbnails)];
    let start = async |role: &str| {
        let mut command = site.command(role);
        command.envs(names("small"));
        site.run(command).await
    };
    let darkroom = start("local").await;
    let id = site.upload(&images::jpeg(64, 48)).await;
    site.expect_published(&id).await;
    darkroom.stop().await;
    let api = start("api").await;
    let waiting = site.upload_many(26).await;
    api.stop().await;

    let refused = async |arguments: &[&str], names: &[(&str, &str)], error: &str| {
        let mut command = site.command(arguments[0]);
        command.args(&arguments[1..]).env("DARKROOM_ADMIN_LISTEN", "127.0.0.1:0").envs(names.iter().copied());
        let output = command.output().await.unwrap();
        let printed = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {printed}");
        assert!(printed.contains(error), "{arguments:?}: {printed}");
    };
    let set_uploads = "none of bucket darkroom: set DARKROOM_UPLOAD_BUCKET to photos";
    for command in [
        &["local"][..],
        &["worker"],
        &["api"],
        &["check"],
        &["dlq", "list"],
        &["sweep", "--dry-run"],
        &["backfill", "--dry-run"],
    ] {
        refused(command, &[], set_uploads).await;
    }
    refused(&["worker"], &names("tiny"), "none of bucket tiny: set DARKROOM_THUMBNAIL_BUCKET to small").await;

    assert_eq!(site.count("SELECT count(*) FROM messages WHERE queue = 0"), 26);
    assert_eq!(site.count("SELECT count(*) FROM messages WHERE queue = 1"), 0);
    let darkroom = start("local").await;
    for id in waiting.iter().chain([&id]) {
        let image = site.expect_published(id).await;
        let url = image["thumbnails"]["small"]["url"].as_str().unwrap();
        assert!(site.http.get(url).send().await.unwrap().status().is_success(), "{image}");
    }
    darkroom.stop().await;
}
