//! README's first five minutes, as a reader types them.

use tokio::process::Command;

use super::Site;
use crate::images;

/// The shell's lines under "Try it", those of `make` left out.
fn commands() -> String {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let section = readme.split("\n## ").find(|part| part.starts_with("Try it")).unwrap();
    let blocks = section.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    blocks.filter(|block| !block.starts_with("make")).collect()
}

#[tokio::test]
async fn readmes_commands_work_as_written() {
    let site = Site::new();
    let _darkroom = site.start("local").await;
    std::fs::write(site.dir.path().join("photo.jpg"), images::jpeg(1600, 1200)).unwrap();
    let commands = commands().replace("http://127.0.0.1:8080", &site.api);
    assert!(commands.contains("curl -T photo.jpg"), "{commands}");
    let script = format!("set -euo pipefail\n{commands}\n");
    let run = Command::new("bash").args(["-c", &script]).current_dir(site.dir.path()).output().await.unwrap();
    let printed = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && printed.contains("published"), "{run:?}");
    let thumbnail = image::open(site.dir.path().join("medium.jpg")).unwrap();
    assert_eq!((thumbnail.width(), thumbnail.height()), (500, 375));
}
