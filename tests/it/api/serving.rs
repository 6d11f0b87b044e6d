//! The API over real connections: requests, shutdown, slow clients.

use std::net::SocketAddr;
use std::time::Duration;

use darkroom::admin::{self, Readiness};
use darkroom::http::{ConnectionLimits, HostRules, serve};
use darkroom::metrics::ListenerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Bench;

async fn serving(router: axum::Router, shutdown: CancellationToken) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(serve(listener, router, ConnectionLimits::new(ListenerName::Api, 100), shutdown)))
}

#[tokio::test]
async fn the_api_speaks_http() {
    let bench = Bench::new();
    let (address, _server) = serving(bench.router.clone(), bench.shutdown.clone()).await;

    let client = reqwest::Client::new();
    let answer = client.post(format!("http://{address}/images")).body("{}").send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let upload: serde_json::Value = answer.json().await.unwrap();
    assert!(upload["uploadUrl"].as_str().unwrap().starts_with(&format!("http://{address}/signed/")), "{upload}");

    let url = format!("http://{address}/images/{}", upload["id"].as_str().unwrap());
    let answer = client.get(&url).send().await.unwrap();
    let tag = answer.headers()["etag"].clone();
    assert_eq!(answer.status(), 200);
    let answer = client.get(&url).header("if-none-match", tag).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (304, ""));
    let answer = client.head(&url).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, ""));
    assert_eq!(client.get(format!("http://{address}/images/a%2fb")).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_shutdown_answers_who_waits_and_takes_no_new_connections() {
    let bench = Bench::new();
    bench.waiting_for_upload("cat");
    let (address, server) = serving(bench.router.clone(), bench.shutdown.clone()).await;
    let waiting = tokio::spawn(reqwest::get(format!("http://{address}/images/cat?wait=20s")));
    while bench.records.looks() == 0 {
        tokio::task::yield_now().await;
    }
    bench.shutdown.cancel();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    tokio::time::timeout(Duration::from_secs(10), server).await.expect("the server ends").unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

/// The paused clock advances once only the timeout is pending.
#[tokio::test(start_paused = true)]
async fn a_client_that_never_ends_its_request_is_cut_off() {
    let bench = Bench::new();
    let (address, _server) = serving(bench.router.clone(), bench.shutdown.clone()).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /images/cat HTTP/1.1\r\nhost: ").await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "");
}

#[tokio::test]
async fn the_admin_listener_reports_on_the_process() {
    let readiness = Readiness::default();
    let latch = readiness.hold("queue");
    let router = admin::router(readiness.clone(), HostRules::default(), || "darkroom_up 1\n".to_owned());
    let (address, _server) = serving(router, CancellationToken::new()).await;
    let get = |path: &str| {
        let url = format!("http://{address}{path}");
        async {
            let answer = reqwest::get(url).await.unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        }
    };
    assert_eq!(get("/livez").await, (200, "alive\n".to_owned()));
    assert_eq!(get("/readyz").await, (503, "not ready: queue\n".to_owned()));
    drop(latch);
    assert_eq!(get("/readyz").await, (200, "ready\n".to_owned()));
    readiness.drain();
    assert_eq!(get("/readyz").await, (503, "not ready: draining\n".to_owned()));
    assert_eq!(get("/livez").await.0, 200);
    assert_eq!(get("/metrics").await, (200, "darkroom_up 1\n".to_owned()));
    let metrics = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
    assert_eq!(metrics.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(get("/images").await.0, 404);
}
