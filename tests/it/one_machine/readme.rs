//! README's first five minutes, as a reader types them, and the upload page's commands.

use std::process::Stdio;

use tokio::process::Command;

use super::Site;
use crate::images;
use crate::process::until;

/// The shell commands under "Try it" and "Uploads", without those of `make`.
fn commands() -> String {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let sections =
        readme.split("\n## ").filter(|part| ["Try it", "Uploads"].iter().any(|title| part.starts_with(title)));
    let blocks = sections.flat_map(|section| section.split("```sh\n").skip(1));
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    blocks.filter(|block| !block.starts_with("make")).collect::<Vec<_>>().join("\n")
}

/// Runs the commands on a site, as a reader types them, with `photo` in `photo.jpg`.
fn run(site: &Site, commands: &str, photo: &[u8]) -> Command {
    std::fs::write(site.dir.path().join("photo.jpg"), photo).unwrap();
    let script = format!("set -euo pipefail\n{}\n", commands.replace("http://127.0.0.1:8080", &site.api));
    let mut run = Command::new("bash");
    run.args(["-c", &script]).current_dir(site.dir.path()).kill_on_drop(true);
    run.stdout(Stdio::piped()).stderr(Stdio::piped());
    run
}

fn expect_medium(site: &Site) {
    let thumbnail = image::open(site.dir.path().join("medium.jpg")).unwrap();
    assert_eq!((thumbnail.width(), thumbnail.height()), (500, 375));
}

#[tokio::test]
async fn readmes_commands_work_as_written() {
    let site = Site::new();
    let _darkroom = site.start("local").await;
    let commands = commands();
    assert!(commands.contains("-T photo.jpg") && commands.contains("/upload-url"), "{commands}");
    let run = run(&site, &commands, &images::jpeg(1600, 1200)).output().await.unwrap();
    let printed = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && printed.contains("published"), "{run:?}");
    expect_medium(&site);
}

#[tokio::test]
async fn readmes_commands_end_when_the_image_is_refused() {
    let site = Site::new();
    let _darkroom = site.start("local").await;
    let run = run(&site, &commands(), b"a text").output().await.unwrap();
    let printed = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status.code(), Some(22), "curl -f says so of the thumbnail: {run:?}");
    assert!(printed.contains("invalid_content_type") && printed.contains("unsupported_type"), "{printed}");
}

/// The commands ask again for an image that is not final after one wait.
#[tokio::test]
async fn readmes_commands_wait_in_a_busy_queue() {
    let site = Site::new();
    let api = site.start("api").await;
    let commands = commands();
    assert!(commands.contains("?until=final"), "{commands}");
    let commands = commands.replace("?until=final", "?wait=100ms&until=final");
    let running = run(&site, &commands, &images::jpeg(1600, 1200)).spawn().unwrap();
    until("it is asked again", async || {
        api.metric("darkroom_http_requests_total", "request=\"get_image\",status=\"2xx\"").await >= 2.0
    })
    .await;
    let _worker = site.start("worker").await;
    let run = running.wait_with_output().await.unwrap();
    assert!(run.status.success(), "{run:?}");
    expect_medium(&site);
}

#[tokio::test]
async fn readmes_commands_fail_on_an_error_answer() {
    let site = Site::new();
    let mut command = site.command("api");
    command.env("DARKROOM_API_TOKEN", "0123456789abcdef");
    let _api = site.run(command).await;
    for block in commands().split("\n\n") {
        let run = run(&site, block, b"").output().await.unwrap();
        let printed = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.code() == Some(22) && printed.contains("401"), "{block}: {run:?}");
    }
}

/// The commands that the page shows, as a user pastes them.
async fn pasted(site: &Site) -> String {
    let page = site.http.get(&site.api).send().await.unwrap().text().await.unwrap();
    let code = page.split("<code>").nth(1).unwrap().split("</code>").next().unwrap();
    let text = code.replace("<span class=\"origin\"></span>", &site.api);
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[tokio::test]
async fn the_pages_commands_can_be_pasted() {
    const TOKEN: &str = "0123456789abcdef";
    for settings in [
        &[][..],
        &[
            ("DARKROOM_API_TOKEN", TOKEN),
            ("DARKROOM_REQUIRE_CONTENT_LENGTH", "on"),
            ("DARKROOM_REQUIRE_CHECKSUM", "on"),
        ],
    ] {
        let site = Site::new();
        let mut command = site.command("local");
        command.envs(settings.iter().copied());
        let darkroom = site.run(command).await;
        let commands = pasted(&site).await.replace("a token of this server", TOKEN);
        assert_eq!(commands.contains(TOKEN), !settings.is_empty(), "{commands}");
        let published = run(&site, &commands, &images::jpeg(64, 48)).output().await.unwrap();
        let printed = String::from_utf8_lossy(&published.stdout);
        assert!(published.status.success() && printed.contains("\"published\""), "{commands}\n{published:?}");
        let refused = run(&site, &commands, b"a text").output().await.unwrap();
        let printed = String::from_utf8_lossy(&refused.stdout);
        assert!(refused.status.success() && printed.contains("\"invalid_content_type\""), "{commands}\n{refused:?}");
        darkroom.stop().await;
    }
}
