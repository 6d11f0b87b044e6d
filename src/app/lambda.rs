//! The API as an AWS Lambda function. It polls requests as events and has no listener.

use std::sync::Arc;

use anyhow::Context as _;

use super::{Ending, signals};
use crate::api::{self, ApiSettings, ApiState};
use crate::backends;
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;

/// Answers events one at a time until a shutdown signal. Lambda freezes the process between events.
///
/// There is no admin listener, because it would be unreachable: Lambda and the gateway count requests and errors.
pub(super) async fn run(config: Config) -> anyhow::Result<Ending> {
    let shutdown = signals::shutdown_on_signals().context("signals cannot be listened to")?;
    let clock: SharedClock = Arc::new(SystemClock);
    let backend = backends::connect(&config, Arc::clone(&clock)).await?;
    let state = ApiState::new(&backend.request_ports, ApiSettings::from(&config), clock, shutdown.clone());
    tracing::info!("ready for events");
    tokio::select! {
        ended = lambda_http::run(api::router(state, None)) => {
            ended.map_err(|error| anyhow::anyhow!(error)).context("Lambda's events cannot be had")?;
        }
        () = shutdown.cancelled() => {}
    }
    Ok(Ending::Clean)
}
