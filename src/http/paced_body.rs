//! Reads a request body and enforces a minimum rate and a deadline.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout_at};

/// The period over which the rate is averaged.
const WINDOW: Duration = Duration::from_secs(10);

/// A body with a minimum rate and a deadline.
pub(crate) struct PacedBody {
    body: BodyDataStream,
    rate: Rate,
    deadline: Instant,
}

/// Why the body could not be read completely.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("less than {least} bytes per second arrived, averaged over {} s", WINDOW.as_secs())]
    TooSlow { least: u64 },
    #[error("the deadline passed")]
    TooLate,
    #[error("{0}")]
    BrokenOff(axum::Error),
}

impl PacedBody {
    /// Requires at least `least_rate` bytes per second, and the end before `deadline`.
    pub(crate) fn new(body: Body, least_rate: u64, deadline: Instant) -> Self {
        Self { body: body.into_data_stream(), rate: Rate::new(least_rate), deadline }
    }

    /// The next part of the body; `None` at its end. Only the time spent in this method counts for the rate.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            let start = Instant::now();
            if start >= self.deadline {
                return Err(ReadError::TooLate);
            }
            let until = self.deadline.min(start + self.rate.left());
            let next = timeout_at(until, self.body.next()).await;
            let part = match next {
                Ok(None) => return Ok(None),
                Ok(Some(part)) => Some(part.map_err(ReadError::BrokenOff)?),
                Err(_) => None,
            };
            self.rate.count(part.as_ref().map_or(0, Bytes::len), start.elapsed())?;
            if part.is_some() {
                return Ok(part);
            }
        }
    }
}

/// Measures a client's rate in windows of waiting time.
struct Rate {
    least: u64,
    waited: Duration,
    bytes: u64,
}

impl Rate {
    const fn new(least: u64) -> Self {
        Self { least, waited: Duration::ZERO, bytes: 0 }
    }

    /// The time left in the window.
    const fn left(&self) -> Duration {
        WINDOW.saturating_sub(self.waited)
    }

    /// Counts received bytes. At the end of a window it checks the rate and starts another window.
    fn count(&mut self, bytes: usize, waited: Duration) -> Result<(), ReadError> {
        self.bytes += bytes as u64;
        self.waited += waited;
        if self.waited < WINDOW {
            return Ok(());
        }
        // A wait may end late, so the rate uses the time that really passed.
        let millis = u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX);
        if self.bytes.saturating_mul(1000) < self.least.saturating_mul(millis) {
            return Err(ReadError::TooSlow { least: self.least });
        }
        *self = Self::new(self.least);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::stream;

    use super::*;

    /// A body that sends `bytes` every second, `count` times.
    fn every_second(bytes: usize, count: usize) -> Body {
        Body::from_stream(stream::iter(0..count).then(move |_| async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, Infallible>(vec![0; bytes])
        }))
    }

    fn in_seconds(seconds: u64) -> Instant {
        Instant::now() + Duration::from_secs(seconds)
    }

    /// Reads a body. Returns its bytes or the error, and how many seconds it took.
    async fn read(body: Body, least_rate: u64, deadline: Instant) -> (Result<usize, String>, u64) {
        let (start, mut bytes) = (Instant::now(), 0);
        let mut body = PacedBody::new(body, least_rate, deadline);
        let outcome = loop {
            match body.next().await {
                Ok(Some(part)) => bytes += part.len(),
                Ok(None) => break Ok(bytes),
                Err(error) => break Err(error.to_string()),
            }
        };
        (outcome, start.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_below_the_least_rate_is_cut_after_a_window() {
        let late = in_seconds(1000);
        for (bytes, outcome) in [(99, None), (100, Some(5000)), (101, Some(5050))] {
            let (read, seconds) = read(every_second(bytes, 50), 100, late).await;
            assert_eq!(read.ok(), outcome, "{bytes} bytes a second");
            assert_eq!(seconds, if outcome.is_some() { 50 } else { 10 });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_cut_after_a_window_and_a_short_pause_is_not() {
        let late = in_seconds(1000);
        let (outcome, seconds) = read(Body::from_stream(stream::pending::<Result<Bytes, Infallible>>()), 1, late).await;
        assert_eq!(
            (outcome, seconds),
            (Err("less than 1 bytes per second arrived, averaged over 10 s".to_owned()), 10)
        );
        let burst = stream::once(async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            Ok::<_, Infallible>(vec![0; 1000])
        });
        assert_eq!(read(Body::from_stream(burst), 100, late).await, (Ok(1000), 9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_body_may_end_within_the_first_window_however_slow() {
        assert_eq!(read(every_second(1, 9), 1000, in_seconds(1000)).await, (Ok(9), 9));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_ends_at_its_deadline_however_fast() {
        assert_eq!(read(every_second(1000, 20), 100, in_seconds(21)).await, (Ok(20_000), 20));
        let (outcome, seconds) = read(every_second(1000, 20), 100, in_seconds(15)).await;
        assert_eq!((outcome, seconds), (Err("the deadline passed".to_owned()), 15));
    }

    /// While the disk is slow, the client cannot send.
    #[tokio::test(start_paused = true)]
    async fn time_that_this_server_takes_does_not_count() {
        let mut body = PacedBody::new(every_second(100, 30), 100, in_seconds(1000));
        while body.next().await.unwrap().is_some() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
}
