//! Many, slow and non-reading connections: a client that keeps the rules is admitted and not cut.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Request};
use axum::routing::{get, post};
use darkroom::http::{Arrival, ConnectionLimits, serve};
use darkroom::metrics::ListenerName;
use futures_util::StreamExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// The server's limit of open connections.
const CAP: usize = 8;

/// A large answer: more than a socket's buffers hold.
const LARGE: usize = 32 << 20;

/// How long a step may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a client may wait to be admitted. Shorter than the idle timeout, which would also free a connection.
const ADMITTED_WITHIN: Duration = Duration::from_secs(20);

struct Server {
    address: std::net::SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/large", get(|| async { Bytes::from(vec![b'x'; LARGE]) }))
            .route("/swallow", post(swallow))
            .route("/ends", get(|Extension(arrival): Extension<Arrival>| async move { format!("{arrival:?}") }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let limits = ConnectionLimits::new(ListenerName::Api, CAP);
        let task = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
        Self { address, shutdown, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection that has had one answer and is idle since.
    async fn idle(&self) -> TcpStream {
        let mut client = self.connect().await;
        assert!(asks(&mut client).await);
        client
    }

    /// A connection in the middle of an upload.
    async fn uploading(&self) -> TcpStream {
        let mut client = self.connect().await;
        client
            .write_all(b"POST /swallow HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 99\r\n\r\n")
            .await
            .unwrap();
        let mut go_on = [0; 25];
        client.read_exact(&mut go_on).await.unwrap();
        assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
        client
    }
}

/// Reads a body of any length.
async fn swallow(request: Request) {
    let mut body = request.into_body().into_data_stream();
    while let Some(Ok(_)) = body.next().await {}
}

/// Returns whether a request on this connection gets an answer.
async fn asks(client: &mut TcpStream) -> bool {
    let mut answer = vec![0; 1024];
    if client.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.is_err() {
        return false;
    }
    let read = timeout(ADMITTED_WITHIN, client.read(&mut answer)).await.expect("an answer or an end");
    read.is_ok_and(|bytes| String::from_utf8_lossy(&answer[..bytes]).starts_with("HTTP/1.1 200"))
}

/// Reads until the connection ends, and returns the number of bytes.
async fn rest_of(client: &mut TcpStream) -> usize {
    let mut bytes = Vec::new();
    let _ = timeout(PATIENCE, client.read_to_end(&mut bytes)).await.expect("the connection is not closed");
    bytes.len()
}

#[tokio::test]
async fn at_the_cap_the_longest_idle_connection_makes_room() {
    let server = Server::start().await;
    let mut clients = Vec::new();
    for _ in 0..CAP {
        clients.push(server.idle().await);
    }
    for client in &mut clients {
        assert!(asks(client).await, "up to the cap none is closed");
    }
    let mut newcomer = server.idle().await;
    assert_eq!(rest_of(&mut clients[0]).await, 0, "the longest idle one is closed");
    for client in clients[1..].iter_mut().chain([&mut newcomer]) {
        assert!(asks(client).await, "the others go on");
    }
}

#[tokio::test]
async fn connections_that_never_ask_make_room() {
    let server = Server::start().await;
    let mut silent = Vec::new();
    for _ in 0..10 * CAP {
        silent.push(server.connect().await);
    }
    assert!(asks(&mut server.connect().await).await);
}

#[tokio::test]
async fn at_the_cap_of_crawling_uploads_a_client_gets_in() {
    let server = Server::start().await;
    let mut crawling = Vec::new();
    for _ in 0..CAP {
        crawling.push(server.uploading().await);
    }
    assert!(asks(&mut server.connect().await).await);
}

#[tokio::test(start_paused = true)]
async fn the_slowest_upload_makes_room() {
    const SLOWEST: usize = 3;
    let server = Server::start().await;
    let mut uploads = Vec::new();
    for at in 0..CAP {
        let mut upload = server.uploading().await;
        upload.write_all(if at == SLOWEST { b"x" } else { &[b'x'; 50] }).await.unwrap();
        uploads.push(upload);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(asks(&mut server.connect().await).await);
    assert_eq!(rest_of(&mut uploads.remove(SLOWEST)).await, 0);
    for upload in &mut uploads {
        upload.write_all(&[b'x'; 49]).await.unwrap();
        let mut answer = [0; 12];
        upload.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_between_two_requests_makes_room_before_the_slowest_upload() {
    let server = Server::start().await;
    let mut uploads = Vec::new();
    for _ in 1..CAP {
        uploads.push(server.uploading().await);
    }
    let mut used = server.idle().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(asks(&mut server.connect().await).await);
    let start = Instant::now();
    assert_eq!(rest_of(&mut used).await, 0);
    assert_eq!(start.elapsed().as_secs(), 0, "it was closed to make room, not for being idle");
}

/// The server closes waiting connections before those with a request in progress.
#[tokio::test]
async fn an_upload_outlives_a_flood_of_idle_connections() {
    let server = Server::start().await;
    let mut upload = server.uploading().await;
    let mut idle = Vec::new();
    for _ in 0..5 * CAP {
        idle.push(server.connect().await);
        upload.write_all(b"x").await.unwrap();
    }
    assert!(asks(&mut server.connect().await).await);
    upload.write_all(&[b'x'; 99 - 5 * CAP]).await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, upload.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_ends_after_30_seconds_before_and_after_a_request() {
    let server = Server::start().await;
    for is_used in [false, true] {
        let mut client = if is_used { server.idle().await } else { server.connect().await };
        let start = Instant::now();
        assert_eq!(rest_of(&mut client).await, 0);
        assert_eq!(start.elapsed().as_secs(), 30, "used: {is_used}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_that_crawls_ends_after_30_seconds() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let start = Instant::now();
    client.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if client.write_all(b"x").await.is_err() {
            break;
        }
    }
    assert!((30..=32).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_cut_after_30_seconds() {
    let server = Server::start().await;
    // One client sends one request, the other sends all at once; neither reads.
    for requests in [1, 50] {
        let mut client = server.connect().await;
        let asked = b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n".repeat(requests);
        client.write_all(&asked).await.unwrap();
        let start = Instant::now();
        // Writing to a closed connection fails.
        while client.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(start.elapsed() < PATIENCE, "{requests} requests");
        }
        assert!((30..=32).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
        let held = rest_of(&mut client).await;
        assert!(held < LARGE, "{held} bytes");
    }
}

#[tokio::test]
async fn a_head_beyond_16_kib_is_refused() {
    let server = Server::start().await;
    for (bytes, status) in [(16_000, "200"), (17_000, "431"), (1_000_000, "431")] {
        let mut client = server.connect().await;
        let head = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: {}\r\n\r\n", "x".repeat(bytes));
        // The server may close before it has read everything.
        let _ = client.write_all(head.as_bytes()).await;
        let mut answer = [0; 12];
        match client.read_exact(&mut answer).await {
            Ok(_) => assert_eq!(answer, *format!("HTTP/1.1 {status}").as_bytes(), "{bytes} bytes"),
            Err(error) => assert!(bytes > 100_000, "{bytes} bytes: {error}"),
        }
    }
}

#[tokio::test]
async fn a_client_that_reads_gets_all() {
    let server = Server::start().await;
    let answer = reqwest::get(format!("http://{}/large", server.address)).await.unwrap();
    assert_eq!(answer.bytes().await.unwrap().len(), LARGE);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_connections_without_a_request() {
    let server = Server::start().await;
    let _silent = server.connect().await;
    let _used = server.idle().await;
    let mut partial = server.connect().await;
    partial.write_all(b"GET / HT").await.unwrap();
    assert!(asks(&mut server.connect().await).await, "the server has seen them all");
    let start = Instant::now();
    server.shutdown.cancel();
    timeout(PATIENCE, server.task).await.unwrap().unwrap();
    assert_eq!(start.elapsed().as_secs(), 0);
}

#[tokio::test]
async fn a_request_knows_both_ends_of_its_connection() {
    let server = Server::start().await;
    let mut client = server.connect().await;
    let expected = Arrival { peer: client.local_addr().unwrap(), local: server.address };
    client.write_all(b"GET /ends HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with(&format!("{expected:?}")), "{answer}");
}
