//! The progress of a long command: one line on a terminal that is overwritten in place.

use std::io::Write;
use std::time::Duration;

use tokio::time::Instant;

/// How often to write the line.
const EVERY: Duration = Duration::from_millis(200);

/// The progress of one command. Silent without a terminal.
pub struct Progress<'a> {
    terminal: Option<&'a mut dyn Write>,
    doing: &'static str,
    total: u64,
    done: u64,
    started: Instant,
    written: Option<Instant>,
}

impl<'a> Progress<'a> {
    /// Shows progress on a terminal; `None` shows nothing.
    pub fn on(terminal: Option<&'a mut dyn Write>) -> Self {
        Self { terminal, doing: "", total: 0, done: 0, started: Instant::now(), written: None }
    }

    /// Whether progress is shown.
    pub(super) fn is_shown(&self) -> bool {
        self.terminal.is_some()
    }

    /// Begins an operation with about `total` steps.
    pub(super) fn begin(&mut self, doing: &'static str, total: u64) {
        (self.doing, self.total, self.done) = (doing, total, 0);
        (self.started, self.written) = (Instant::now(), None);
    }

    /// Counts a finished step.
    pub(super) fn step(&mut self) {
        self.done += 1;
        if self.written.is_some_and(|written| written.elapsed() < EVERY) {
            return;
        }
        self.written = Some(Instant::now());
        let line = self.line();
        if let Some(terminal) = &mut self.terminal {
            // If the line cannot be written, the command continues.
            let _ = write!(terminal, "\r\x1b[K{line}").and_then(|()| terminal.flush());
        }
    }

    /// Clears the line for other output, until the next step.
    pub(super) fn clear(&mut self) {
        if let (Some(terminal), Some(_)) = (&mut self.terminal, self.written.take()) {
            let _ = write!(terminal, "\r\x1b[K").and_then(|()| terminal.flush());
        }
    }

    fn line(&self) -> String {
        let Self { doing, done, .. } = self;
        let total = self.total.max(*done);
        let rate = *done as f64 / self.started.elapsed().as_secs_f64().max(0.001);
        let left = Duration::from_secs(((total - done) as f64 / rate.max(0.001)).ceil() as u64);
        format!("{doing} {done} of about {total}, about {} left", humantime::format_duration(left))
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}
