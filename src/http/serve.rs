//! Serves a router on a listener: limits connections, disconnects slow clients and shuts down gracefully.

mod activity;
mod connections;
mod exchange;
mod stream;

use std::error::Error as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::metrics::{self, Closed, ListenerName};
use connections::{Connections, Slot};
use exchange::Exchange;
use stream::WatchedStream;

/// How long a client may take to send a request head, or stay idle between two requests.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may read nothing while bytes wait for it.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest request head. The longest signed URL has about 4 KiB.
const MAX_HEAD_BYTES: usize = 16 << 10;

/// The most bytes of requests and responses to buffer for a connection.
const MAX_BUFFER_BYTES: usize = 64 << 10;

/// The socket's send buffer. The kernel doubles this value. With a small buffer, a client that reads shows progress
/// within [`STALL_TIMEOUT`]: the kernel reports progress once a third of the buffer is free.
const SEND_BUFFER_BYTES: usize = 64 << 10;

/// How long to wait when no socket is available for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The connection limits of a listener.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// The listener's name in the metrics.
    pub listener: ListenerName,
    /// The number of open connections at which each new one evicts another.
    pub max_connections: usize,
    /// The longest wait for a request head, and between two requests.
    pub idle_timeout: Duration,
    /// The longest time in which a client may read none of the bytes that wait for it.
    pub stall_timeout: Duration,
}

impl ConnectionLimits {
    /// The default timeouts, with this connection limit.
    pub const fn new(listener: ListenerName, max_connections: usize) -> Self {
        Self { listener, max_connections, idle_timeout: IDLE_TIMEOUT, stall_timeout: STALL_TIMEOUT }
    }
}

/// Both addresses of a request's connection. [`serve`] adds it to each request as an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The address of the client, or of a proxy in front.
    pub peer: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
}

/// Serves until `shutdown` is cancelled, then finishes all requests and returns. That takes as long as the slowest
/// request: the caller sets the limit.
pub async fn serve(listener: TcpListener, router: Router, limits: ConnectionLimits, shutdown: CancellationToken) {
    limit_send_buffers(&listener);
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(limits.idle_timeout);
    server.max_header_size(MAX_HEAD_BYTES).max_buf_size(MAX_BUFFER_BYTES);
    let connections = Connections::new(limits.listener, limits.max_connections);
    let graceful = GracefulShutdown::new();
    while let Some((stream, arrival)) = next_connection(&listener, &connections, &shutdown).await {
        let slot = connections.admit().await;
        let stream = WatchedStream::new(stream, slot.bytes(), limits.stall_timeout);
        let exchange = Exchange::new(router.clone(), slot.clone(), arrival);
        let connection = graceful.watch(server.serve_connection(TokioIo::new(stream), exchange));
        tokio::spawn(run(connection, slot, limits.listener));
    }
    drop(listener);
    connections.evict_idle();
    graceful.shutdown().await;
}

/// Gives every accepted socket a small send buffer.
fn limit_send_buffers(listener: &TcpListener) {
    if let Err(error) = rustix::net::sockopt::set_socket_send_buffer_size(listener, SEND_BUFFER_BYTES) {
        tracing::debug!(%error, "the send buffers keep their default size");
    }
}

/// Runs one connection until it ends or is evicted.
async fn run(connection: impl Future<Output = hyper::Result<()>>, slot: Slot, listener: ListenerName) {
    // The future owns the socket and is dropped before the slot is released.
    let closed = tokio::select! {
        biased;
        () = slot.evicted() => Closed::Evicted,
        ended = connection => how_it_closed(ended),
    };
    metrics::connection_closed(listener, closed);
    drop(slot);
}

fn how_it_closed(ended: hyper::Result<()>) -> Closed {
    let Err(error) = ended else { return Closed::Ended };
    // A client may disconnect at any time: this is not a server error.
    tracing::debug!(%error, "a connection broke off");
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    match cause.map(io::Error::kind) {
        Some(io::ErrorKind::TimedOut) => Closed::Stalled,
        _ if error.is_timeout() => Closed::Idle,
        _ => Closed::Ended,
    }
}

/// The next connection; `None` once the server shuts down.
async fn next_connection(
    listener: &TcpListener,
    connections: &Connections,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, Arrival)> {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted.and_then(|(stream, peer)| prepare(stream, peer)) {
            Ok(connection) => return Some(connection),
            Err(error) if is_out_of_descriptors(&error) => {
                tracing::warn!(%error, "no connection accepted");
                connections.evict_one();
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            Err(error) => tracing::debug!(%error, "a connection ended before it began"),
        }
    }
}

fn prepare(stream: TcpStream, peer: SocketAddr) -> io::Result<(TcpStream, Arrival)> {
    // Responses are small and complete, so delaying them has no benefit.
    stream.set_nodelay(true)?;
    let local = stream.local_addr()?;
    Ok((stream, Arrival { peer, local }))
}

/// Whether the process or the machine is out of file descriptors or socket memory.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| exhausted.iter().any(|errno| errno.raw_os_error() == code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a large buffer, it would take minutes to see whether a slow client reads, and each client could hold
    /// megabytes.
    #[tokio::test]
    async fn accepted_sockets_have_a_small_send_buffer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        limit_send_buffers(&listener);
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let bytes = |stream: &TcpStream| rustix::net::sockopt::socket_send_buffer_size(stream).unwrap();
        assert_eq!(bytes(&accepted), 2 * SEND_BUFFER_BYTES);
        assert!(bytes(&client) > 2 * SEND_BUFFER_BYTES, "the test would prove nothing");
    }
}
