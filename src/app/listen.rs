//! One HTTP listener. It binds before the process reports readiness, and stops gracefully.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::http::{self, ConnectionLimits};

/// How long active requests may take after a listener starts to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A listener that serves a router until it is stopped.
pub(super) struct Listener {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Listener {
    /// Binds the address of `setting` and serves `router` there, within `limits`.
    pub(super) async fn start(
        setting: &str,
        address: SocketAddr,
        router: Router,
        limits: ConnectionLimits,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|error| cannot_listen(setting, address, error))?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let task = tokio::spawn(http::serve(listener, router, limits, stop.clone()));
        Ok(Self { address, stop, task })
    }

    /// The bound address, with the actual port if port 0 was requested.
    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no new connections and waits up to [`STOP_TIMEOUT`] for active requests.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        let task = self.task.abort_handle();
        if tokio::time::timeout(STOP_TIMEOUT, self.task).await.is_err() {
            tracing::warn!(address = %self.address, "requests were still under way at the end");
            task.abort();
        }
    }
}

/// Why the address of `setting` cannot be bound, and how to fix it.
fn cannot_listen(setting: &str, address: SocketAddr, error: Error) -> anyhow::Error {
    let what = match error.kind() {
        ErrorKind::AddrInUse => {
            format!("it is in use: stop what listens there, or choose another address with {setting}")
        }
        ErrorKind::AddrNotAvailable => format!("this machine has no such address: choose another one with {setting}"),
        ErrorKind::PermissionDenied => format!("this user may not use the port: choose a higher one with {setting}"),
        _ => return anyhow::Error::new(error).context(format!("cannot listen on {address}, which {setting} sets")),
    };
    anyhow::anyhow!("cannot listen on {address}: {what}")
}
