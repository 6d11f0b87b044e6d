//! The contracts over AWS's protocol: MiniStack, or AWS itself with `DARKROOM_TEST_AWS=1`.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::{Request, Response};
use bytes::Bytes;
use darkroom::backends::aws::{DynamoCatalog, S3Store, SqsQueue};
use darkroom::clock::{Clock as _, SystemClock, Timestamp};
use darkroom::ports::{Catalog, ObjectStore};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::{Fixture, Queues, Versions};
use crate::aws::account::Account;
use crate::aws::curl;

pub(super) struct AwsFixture(pub(super) Account);

#[async_trait]
impl Fixture for AwsFixture {
    async fn queue(&self, max_receives: u32) -> Queues {
        let (url, dead_url) = self.0.queue(max_receives).await;
        let queue = |url| Arc::new(SqsQueue::new(self.0.clients.sqs.clone(), url));
        Queues { queue: queue(url), dead_letters: queue(dead_url) }
    }

    async fn bucket(&self, versions: Versions) -> Arc<dyn ObjectStore> {
        let name = self.0.bucket(versions == Versions::Kept).await;
        Arc::new(S3Store::new(self.0.clients.s3.clone(), name))
    }

    async fn catalog(&self) -> Arc<dyn Catalog> {
        Arc::new(DynamoCatalog::new(self.0.clients.dynamodb.clone(), self.0.table().await))
    }

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    async fn fetch(&self, request: Request<Bytes>) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        let headers: Vec<_> = headers.collect();
        let answer = curl::send(head.method.as_str(), &head.uri.to_string(), &headers, &body).await;
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        response.body(answer.body.into()).unwrap()
    }
}

/// Runs one case, and removes the resources that it created, even if it fails.
async fn run(case: impl for<'a> FnOnce(&'a dyn Fixture) -> BoxFuture<'a, ()>) {
    let Some(account) = Account::for_contracts().await else { return };
    let fixture = AwsFixture(account);
    let outcome = AssertUnwindSafe(case(&fixture)).catch_unwind().await;
    fixture.0.remove_all().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

macro_rules! test_each {
    ($port:ident: $($case:ident,)*) => {
        mod $port {
            $(
                #[tokio::test]
                async fn $case() {
                    super::run(|fixture| Box::pin(crate::contract::$port::$case(fixture))).await;
                }
            )*
        }
    };
}

super::queue::for_each_queue_case!(test_each);
super::objects::for_each_objects_case!(test_each);
super::catalog::for_each_catalog_case!(test_each);
