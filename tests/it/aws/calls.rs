//! The cost of one image: a proxy from another project counts the calls.

use darkroom::record::Status;
use serde_json::json;

use super::account::ministack;
use super::deployment::{Deployment, Plan};
use super::faults::Microburst;
use crate::images;

const IMAGES: usize = 60;

/// The most calls from the event to `published`: 1 GET, 3 PUTs, 2 writes to the catalog, and under load a tenth of a
/// receive and of a delete.
#[tokio::test]
async fn an_image_costs_one_get_three_puts_two_writes_and_a_tenth_of_a_receive_and_a_delete() {
    let Some(endpoint) = ministack() else { return };
    let Some(proxy) = Microburst::start(&endpoint).await else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let photo = images::jpeg(64, 48);
    let mut ids = Vec::new();
    for number in 0..IMAGES {
        ids.push(deployment.put(&format!("image-{number}"), &photo).await);
    }
    // The proxy records only calls that a rule matches, so this rule adds a harmless latency of 1 ms to every call.
    proxy.set(&[json!({"service": "*", "latency": {"min": 1, "max": 1}})]).await;
    // Enough slots to make the emulator the bottleneck: that is the load that the test needs.
    let worker =
        deployment.start("worker", &[("AWS_ENDPOINT_URL", proxy.endpoint()), ("DARKROOM_RENDER_SLOTS", "16")]).await;
    for id in &ids {
        deployment.expect(id, Status::Published).await;
    }
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    let mut failed = Vec::new();
    for (operation, limit) in [
        ("GetObject", 1.0),
        ("PutObject", 3.0),
        ("UpdateItem", 2.0),
        ("GetItem", 0.0),
        ("ReceiveMessage", 0.1),
        ("DeleteMessage", 0.0),
        ("DeleteMessageBatch", 0.1),
    ] {
        let calls = proxy.fired(operation).await as f64;
        // The last receive finds an empty queue, the test event is one more message, and the last batches are not full.
        // A batch ends after a time as well, so on a busy machine more of them are not full.
        let spare = if limit < 1.0 && limit > 0.0 { 6.0 } else { 0.0 };
        println!("{operation}: {calls} calls for {IMAGES} images, {:.2} each", calls / IMAGES as f64);
        if calls > limit * IMAGES as f64 + spare {
            failed.push((operation, calls));
        }
    }
    assert!(failed.is_empty(), "too many calls for {IMAGES} images: {failed:?}");
    assert!(proxy.fired("GetObject").await >= IMAGES, "the proxy counted");
    worker.stop().await;
}
