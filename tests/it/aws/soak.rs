//! Two workers over AWS's protocol while calls fail and workers are killed and stopped.

use std::time::Duration;

use darkroom::backends::aws::S3Store;
use darkroom::ports::ObjectStore as _;
use darkroom::record::Status;

use super::account::ministack;
use super::deployment::{Deployment, Plan};
use super::faults::{Microburst, on_every_call};
use crate::dice::Dice;
use crate::images;

const UPLOADS: usize = 300;

/// One upload in this many is not an image.
const TEXT_EACH: usize = 10;

#[tokio::test]
#[ignore = "takes minutes: `make test-long`"]
async fn three_hundred_uploads_outlive_faults_kills_and_stops() {
    let Some(endpoint) = ministack() else { return };
    let Some(proxy) = Microburst::start(&endpoint).await else { return };
    let deployment = Deployment::new(&endpoint, Plan { keeps_versions: true, ..Plan::default() }).await;
    let settings = [("AWS_ENDPOINT_URL", proxy.endpoint()), ("DARKROOM_VISIBILITY_TIMEOUT", "5s")];
    let mut workers = [deployment.start("worker", &settings).await, deployment.start("worker", &settings).await];
    let mut rules = on_every_call(0.1);
    // A worker that cannot read the queue's attributes at startup exits, and its supervisor restarts it. This test
    // starts each worker only once.
    rules.retain(|rule| rule["operation"] != "GetQueueAttributes");
    proxy.set(&rules).await;
    let photograph = images::jpeg(64, 48);
    let mut dice = Dice::unforeseen();
    let (mut ids, mut kills, mut stops) = (Vec::new(), 0, 0);
    for number in 0..UPLOADS {
        let (bytes, status) = match number % TEXT_EACH {
            0 => (&b"a text"[..], Status::InvalidContentType),
            _ => (&photograph[..], Status::Published),
        };
        ids.push((deployment.put(&format!("image-{number}"), bytes).await, status));
        tokio::time::sleep(Duration::from_millis(50)).await;
        if number % 30 == 29 {
            let [one, other] = workers;
            if dice.roll(2) == 0 {
                one.kill().await;
                kills += 1;
            } else {
                one.stop().await;
                stops += 1;
            }
            workers = [other, deployment.start("worker", &settings).await];
        }
    }
    for (id, status) in &ids {
        deployment.expect(id, *status).await;
    }
    let fired = proxy.fired("GetObject").await + proxy.fired("UpdateItem").await;
    proxy.set(&[]).await;
    println!("{kills} kills, {stops} stops, {fired} faults on GetObject and UpdateItem alone");
    assert!(fired > 0, "no fault fired");
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    let store = S3Store::new(deployment.account.clients.s3.clone(), deployment.bucket.clone());
    let thumbnails = store.list("thumbnails/", None).await.unwrap().len();
    assert_eq!(thumbnails, 3 * (UPLOADS - UPLOADS / TEXT_EACH), "one set of thumbnails for each image");
    for worker in workers {
        worker.stop().await;
    }
}
