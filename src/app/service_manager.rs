//! Tells systemd when the process is ready, waits, stops and is alive. Does nothing without systemd.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::admin::Readiness;

/// How often a starting process looks whether it is ready.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Reports until the process ends.
pub(super) async fn report(readiness: Readiness, shutdown: CancellationToken) {
    tokio::select! {
        () = until_ready(&readiness) => {
            tell(&[NotifyState::Ready, NotifyState::Status("ready")]);
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = keep_alive() => {}
            }
        }
        () = shutdown.cancelled() => {}
    }
    tell(&[NotifyState::Stopping, NotifyState::Status("draining")]);
    keep_alive().await;
}

/// Waits until the process is ready. Meanwhile the status names what it waits for.
async fn until_ready(readiness: &Readiness) {
    let mut told = Vec::new();
    loop {
        let hindrances = readiness.hindrances();
        if hindrances.is_empty() {
            return;
        }
        if hindrances != told {
            tell(&[NotifyState::Status(&format!("waits: {}", hindrances.join(", ")))]);
            told = hindrances;
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Answers the watchdog, if there is one, twice as often as it asks for. Never ends.
async fn keep_alive() {
    // A watchdog of no time is none.
    let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else {
        return std::future::pending().await;
    };
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(limit / 2).await;
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}
