//! A service that accepts requests and never answers, or answers with errors: the reactions of the API and of workers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use darkroom::backends::aws::{DynamoCatalog, S3Store};
use darkroom::clock::Timestamp;
use darkroom::ports::{Catalog, ErrorKind, ObjectStore, PortError};
use darkroom::record::{Attempt, Change, Guard, ImageId, ImageRecord, Transition};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::Instant;

use super::account::{Account, KEY, REGION};
use crate::process::{Process, free_port};

/// Counts its requests. It answers the first `errors` requests with 503 and the others never.
struct Service {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Service {
    async fn start(errors: usize) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let answer = move || {
            let number = counted.fetch_add(1, Ordering::Relaxed);
            async move {
                if number >= errors {
                    std::future::pending::<()>().await;
                }
                StatusCode::SERVICE_UNAVAILABLE
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, Router::new().fallback(answer)).await });
        Self { address, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns how long the call takes to fail as an outage, and how many requests it makes.
    async fn outage<T>(&self, call: impl Future<Output = Result<T, PortError>>) -> (Duration, usize) {
        let (started, before) = (Instant::now(), self.requests());
        let Err(error) = call.await else { panic!("it succeeded") };
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        (started.elapsed(), self.requests() - before)
    }
}

fn id() -> ImageId {
    ImageId::parse("cat").unwrap()
}

fn record() -> ImageRecord {
    let at = Timestamp::from_millis(1_700_000_000_000);
    ImageRecord::waiting_for_upload(id(), "uploads/cat".to_owned(), at, at)
}

fn deletion() -> Transition {
    let at = Timestamp::from_millis(1_700_000_000_000);
    Transition {
        id: id(),
        key: "uploads/cat".to_owned(),
        attempt: Attempt { token: "token".to_owned(), message: String::new() },
        guard: Guard::Unchanged { rev: 1 },
        change: Change::Delete { forget_at: at },
        at,
    }
}

/// The paused clock advances whenever only timers are pending.
#[tokio::test(start_paused = true)]
async fn calls_for_a_client_give_up_within_two_seconds() {
    for errors in [0, usize::MAX] {
        let service = Service::start(errors).await;
        let clients = Account::at(&service.endpoint()).clients;
        let catalog = DynamoCatalog::new(clients.dynamodb, "table".to_owned()).interactive();
        let bucket = S3Store::new(clients.s3, "bucket".to_owned()).interactive();
        for (took, _) in [
            service.outage(catalog.get(&id())).await,
            service.outage(catalog.update(&deletion())).await,
            service.outage(bucket.list("thumbnails/cat/", None)).await,
            service.outage(bucket.delete("uploads/cat")).await,
        ] {
            assert!(took < Duration::from_secs(2), "{took:?} with {errors} errors");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_waits_longer_for_the_same_calls() {
    let service = Service::start(0).await;
    let clients = Account::at(&service.endpoint()).clients;
    let catalog = DynamoCatalog::new(clients.dynamodb, "table".to_owned());
    let bucket = S3Store::new(clients.s3, "bucket".to_owned());
    for ((took, _), attempts_take) in [
        (service.outage(catalog.get(&id())).await, 12),
        (service.outage(catalog.update(&deletion())).await, 12),
        (service.outage(catalog.create(&record())).await, 9),
        (service.outage(bucket.list("thumbnails/cat/", None)).await, 40),
    ] {
        assert!(took >= Duration::from_secs(attempts_take), "{took:?}");
    }
}

/// The number of attempts shows which limits apply, because the binary's clock cannot be paused.
#[tokio::test]
async fn the_api_makes_two_attempts_at_most_and_answers_503() {
    let service = Service::start(usize::MAX).await;
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    let (port, admin) = (free_port(), free_port());
    command.arg("api").env("DARKROOM_LISTEN", format!("127.0.0.1:{port}"));
    command.env("DARKROOM_ADMIN_LISTEN", format!("127.0.0.1:{admin}"));
    command.env("DARKROOM_UPLOAD_BUCKET", "photos").env("DARKROOM_TABLE", "images");
    command.env("AWS_ENDPOINT_URL", service.endpoint()).env("AWS_REGION", REGION);
    command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", KEY);
    let address = format!("http://127.0.0.1:{port}");
    let api = Process::start(command, &dir.path().join("api.log"), address, "/livez").await;
    for path in ["/images/cat", "/images/cat?until=final", "/images/cat/small"] {
        let before = service.requests();
        let answer = reqwest::get(api.url(path)).await.unwrap();
        assert_eq!(answer.status(), 503, "{path}");
        // On a busy machine there may be no time for the second one.
        let attempts = service.requests() - before;
        assert!((1..=2).contains(&attempts), "{path}: {attempts}");
    }
    api.stop().await;
}
