//! The commands of README and docs/AWS.md, against an emulator.

use tokio::process::Command;

use super::account::{KEY, ministack, variable};
use super::deployment::{Deployment, Plan};
use crate::images;
use crate::process::free_port;

/// The commands of the walk-through, in order.
fn commands() -> String {
    let page = std::fs::read_to_string("docs/AWS.md").unwrap();
    let walk = page.split("\n## ").find(|part| part.starts_with("Walk-through")).unwrap();
    walk.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

#[tokio::test]
async fn the_walk_through_works_as_written() {
    let Some(endpoint) = ministack() else { return };
    let Some(awscli) = variable("DARKROOM_TEST_AWSCLI") else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("photo.jpg"), images::jpeg(640, 480)).unwrap();
    // The document runs two processes in two terminals. Here they run in the background, and the client waits for them.
    let commands = commands()
        .replace("\ndarkroom worker\n", "\ndarkroom worker &\n")
        .replace("\ndarkroom api\n", "\nDARKROOM_ADMIN_LISTEN=127.0.0.1:0 darkroom api &\nready\n");
    let (api, admin) = (free_port(), free_port());
    // Version 1 of awscli ignores the variable for SQS, as the page says.
    // Replace the page's fixed address by this test's.
    let commands = commands.replace("127.0.0.1:8080", &format!("127.0.0.1:{api}"));
    let script = format!(
        "set -euo pipefail\n\
         trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n\
         aws() {{ \"$TOOL\" \"$AWSCLI\" aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }}\n\
         ready() {{ for _ in $(seq 600); do\n\
         curl -sf http://127.0.0.1:{api}/upload-url >/dev/null && return; sleep 0.2\n\
         done; }}\n\
         {commands}\n\
         for queue in \"$DARKROOM_QUEUE_URL\" \"$DARKROOM_DLQ_URL\"; do\n\
         aws sqs get-queue-attributes --queue-url \"$queue\" --attribute-names Policy | grep -q aws:SecureTransport\n\
         done\n\
         aws s3api get-bucket-policy --bucket \"$DARKROOM_UPLOAD_BUCKET\" | grep -q aws:SecureTransport\n\
         jq -e '.status == \"published\"' image.json\n"
    );
    let root = env!("CARGO_MANIFEST_DIR");
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_darkroom")).parent().unwrap().display().to_string();
    let run = Command::new("bash")
        .arg("-c")
        .arg(script)
        .current_dir(dir.path())
        .env("PATH", format!("{binary}:{}", std::env::var("PATH").unwrap()))
        .env("TOOL", format!("{root}/scripts/tool"))
        .env("AWSCLI", awscli)
        .env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", KEY)
        .env("DARKROOM_LISTEN", format!("127.0.0.1:{api}"))
        .env("DARKROOM_ADMIN_LISTEN", format!("127.0.0.1:{admin}"))
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let printed = format!("{}\n{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{printed}");
    assert!(!printed.contains("FAILED"), "darkroom check: {printed}");
}

#[tokio::test]
async fn readmes_boto3_example_works_as_written() {
    let Some(endpoint) = ministack() else { return };
    // The moto tool includes boto3 and requests.
    let Some(python) = variable("DARKROOM_TEST_MOTO") else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let (api, _worker) = tokio::join!(deployment.start("api", &[]), deployment.start("worker", &[]));
    let readme = std::fs::read_to_string("README.md").unwrap();
    let example = readme.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let example = example.replace("my-uploads", &deployment.bucket).replace("https://images.example", &api.url(""));
    let dir = tempfile::tempdir().unwrap();
    let run = async |photo: &[u8], key: &str| {
        std::fs::write(dir.path().join("photo.jpg"), photo).unwrap();
        let mut run = deployment.python(&python, &example.replace("uploads/2024/photo.jpg", key));
        run.current_dir(dir.path()).output().await.unwrap()
    };
    let published = run(&images::jpeg(800, 600), "uploads/2024/photo.jpg").await;
    assert!(published.status.success(), "{published:?}");
    let thumbnail = reqwest::get(String::from_utf8(published.stdout).unwrap().trim()).await.unwrap();
    let thumbnail = image::load_from_memory(&thumbnail.bytes().await.unwrap()).unwrap();
    assert_eq!((thumbnail.width(), thumbnail.height()), (500, 375));

    let refused = run(b"a text", "uploads/2024/text.jpg").await;
    let printed = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(printed.contains("uploads/2024/text.jpg: invalid_content_type, unsupported_type"), "{printed}");
}
