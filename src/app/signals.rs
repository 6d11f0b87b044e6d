//! SIGTERM and SIGINT: the first signal starts the drain, the second exits immediately.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The exit code after a second signal: 128 plus the number of SIGINT, as in a shell.
const EXIT_AT_ONCE: i32 = 130;

/// Returns a token that the first signal cancels.
pub(super) fn shutdown_on_signals() -> std::io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("asked to stop: draining; a second signal ends the process at once");
        token.cancel();
        either(&mut terminate, &mut interrupt).await;
        tracing::warn!("asked to stop again: ending at once");
        std::process::exit(EXIT_AT_ONCE);
    });
    Ok(shutdown)
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
