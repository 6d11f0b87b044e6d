//! The same crashes as on one machine, with the queue, the store and the catalog of AWS.

use std::sync::Arc;
use std::time::Duration;

use darkroom::backends::aws::{DynamoCatalog, S3Store, SqsQueue};
use darkroom::clock::SystemClock;
use darkroom::ports::Ports;
use futures_util::stream::{StreamExt as _, iter};

use super::account::{Account, ministack};
use crate::faults::{Crash, crashes};
use crate::world::{Options, When, World};

/// Number of concurrent worlds: each has a queue, a bucket and a table of its own, and mostly waits.
const AT_ONCE: usize = 12;

pub(super) async fn world(account: &Account, options: Options) -> World {
    let (queue_url, dlq_url) = account.queue(options.max_receives).await;
    let (bucket, table) = (account.bucket(true).await, account.table().await);
    let queue = |url| Arc::new(SqsQueue::new(account.clients.sqs.clone(), url));
    let store = || Arc::new(S3Store::new(account.clients.s3.clone(), bucket.clone()));
    let ports = Ports {
        queue: queue(queue_url),
        dead_letters: queue(dlq_url),
        uploads: store(),
        thumbnails: store(),
        catalog: Arc::new(DynamoCatalog::new(account.clients.dynamodb.clone(), table)),
    };
    World::over(ports, options, Arc::new(SystemClock))
}

#[tokio::test]
async fn whatever_happens_to_a_call_the_end_is_the_same() {
    let Some(endpoint) = ministack() else { return };
    let account = Account::at(&endpoint);
    let options = Options { visibility: Duration::from_secs(3), ..Options::default() };
    let ways = [When::Before, When::After, When::KilledBefore, When::KilledAfter];
    let survive = async |crash: Crash| crash.survive(world(&account, options.clone()).await).await;
    iter(crashes(&ways)).for_each_concurrent(AT_ONCE, survive).await;
}
