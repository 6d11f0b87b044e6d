//! Every metric as data: name, kind, unit, labels and help text, in one table.

use darkroom_thumbnail::Tolerated;

use crate::ports::{ErrorKind, Operation};
use crate::record::Reason;

use super::{Closed, ListenerName, Outcome, QueueName, QueueState, Request, SpaceLimit, Stage, StatusClass};

/// The unit of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    One,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Pixels.
    Pixels,
}

impl Unit {
    /// The name in docs/METRICS.md.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::One => "1",
            Self::Seconds => "seconds",
            Self::Bytes => "bytes",
            Self::Pixels => "pixels",
        }
    }
}

/// The type of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values in buckets with these upper bounds, so that sums over many processes are correct.
    Histogram(&'static [f64]),
}

impl Kind {
    /// The name in docs/METRICS.md and in a scrape.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// The values of a metric's labels: one entry for each series, in the order of the labels.
pub type Series = fn() -> Vec<Vec<&'static str>>;

/// Which parts of darkroom run in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The API, alone or with others.
    WithApi,
    /// A worker alone, which serves only its operator's requests.
    WithoutApi,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The full name.
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// The unit.
    pub unit: Unit,
    /// The labels' names.
    pub labels: &'static [&'static str],
    /// Every possible combination of label values, so that all series exist from the start.
    pub series: Series,
    /// The help text: one sentence.
    pub help: &'static str,
}

impl Definition {
    /// The series that exist from the start. Without the API, this excludes those of requests and of its listener.
    pub fn series_in(&self, scope: Scope) -> Vec<Vec<&'static str>> {
        let mut series = (self.series)();
        if scope == Scope::WithoutApi {
            let is_of_requests = self.labels.contains(&"request");
            let listener = self.labels.iter().position(|label| *label == "listener");
            let is_of_api = |values: &[&str]| listener.is_some_and(|at| values[at] == ListenerName::Api.as_str());
            series.retain(|values| !is_of_requests && !is_of_api(values));
        }
        series
    }
}

/// From a tenth of a millisecond to the longest render: for the stages of the work.
const STAGE_BUCKETS: Kind = Kind::Histogram(&[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
]);

/// From ten milliseconds to half a day: for waits that users notice.
const WAIT_BUCKETS: Kind = Kind::Histogram(&[
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0,
]);

/// For requests: the bounds that OpenTelemetry recommends for `http.server.request.duration`.
const REQUEST_BUCKETS: Kind =
    Kind::Histogram(&[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0]);

/// Around the heartbeat interval, which is a third of 2 seconds to 1 hour.
const MARGIN_BUCKETS: Kind =
    Kind::Histogram(&[0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 40.0, 60.0, 300.0, 1200.0, 3600.0]);

/// Up to the receive limit of a queue with the usual settings.
const RECEIVE_BUCKETS: Kind = Kind::Histogram(&[1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 10.0, 20.0]);

/// From icons to the largest photographs.
const PIXEL_BUCKETS: Kind =
    Kind::Histogram(&[1e5, 2.5e5, 5e5, 1e6, 2e6, 4e6, 8e6, 1.2e7, 1.6e7, 2.4e7, 3.2e7, 4.8e7, 6.4e7, 1e8]);

/// Powers of four from 1 KiB to 64 MiB.
const BYTE_BUCKETS: Kind = Kind::Histogram(&[
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
]);

/// Declares each metric and, from the same lines, the table of all metrics.
macro_rules! metrics_table {
    ($(
        $(#[$doc:meta])*
        $ident:ident = $name:literal, $kind:expr, $unit:ident, [$($label:literal),*], $series:expr, $help:literal;
    )*) => {
        $(pub(super) static $ident: Definition = Definition {
            name: $name,
            kind: $kind,
            unit: Unit::$unit,
            labels: &[$($label),*],
            series: $series,
            help: $help,
        };)*

        /// Every metric that is recorded while darkroom works, in the order of docs/METRICS.md.
        pub static TABLE: &[&Definition] = &[$(&$ident),*];
    };
}

metrics_table! {
    MESSAGES_RECEIVED = "darkroom_messages_received_total", Kind::Counter, One, [], single,
        "Messages received from the queue, redeliveries included.";
    MESSAGES_SETTLED = "darkroom_messages_settled_total", Kind::Counter, One, ["outcome"], outcomes,
        "Messages settled, by outcome.";
    QUEUE_LAG = "darkroom_queue_lag_seconds", WAIT_BUCKETS, Seconds, [], single,
        "Time from the sending of a message to its first receive.";
    MESSAGE_RECEIVES = "darkroom_message_receives", RECEIVE_BUCKETS, One, [], single,
        "How often a message had been received, this time included, counted at each receive.";
    IN_FLIGHT_MESSAGES = "darkroom_in_flight_messages", Kind::Gauge, One, [], single,
        "Messages that this process holds.";
    LEASES_LOST = "darkroom_leases_lost_total", Kind::Counter, One, [], single,
        "Messages that another worker may have taken while this process still worked on them.";
    HEARTBEAT_MARGIN = "darkroom_heartbeat_margin_seconds", MARGIN_BUCKETS, Seconds, [], single,
        "Time that was left on a message's lease when it was extended.";

    UPLOAD_TO_PUBLISHED = "darkroom_upload_to_published_seconds", WAIT_BUCKETS, Seconds, [], single,
        "Time from the creation of an object to the publication of its thumbnails.";
    STAGE_DURATION = "darkroom_stage_duration_seconds", STAGE_BUCKETS, Seconds, ["stage"], stages,
        "Time that one step of the work on one image took. decode, resize and encode are parts of render.";
    IMAGES_REJECTED = "darkroom_images_rejected_total", Kind::Counter, One, ["reason"], rejections,
        "Uploads that are no image darkroom takes, by reason.";
    IMAGES_WITHOUT_END = "darkroom_images_without_end_total", Kind::Counter, One, [], single,
        "Images that were rendered although their file lacks its end marker.";
    TOLERATED = "darkroom_tolerated_total", Kind::Counter, One, ["kind"], tolerated_kinds,
        "Images that were rendered although their file is odd, by kind. A file may have several kinds.";
    IMAGES_FAILED = "darkroom_images_failed_total", Kind::Counter, One, ["reason"], failures,
        "Images given up for good, by reason.";
    DEAD_CLAIMS = "darkroom_dead_claims_total", Kind::Counter, One, [], single,
        "Claims whose holder died without a word, found by the next attempt.";
    SOURCE_PIXELS = "darkroom_source_pixels", PIXEL_BUCKETS, Pixels, [], single,
        "Width times height of the images that were rendered.";
    SOURCE_BYTES = "darkroom_source_bytes", BYTE_BUCKETS, Bytes, [], single,
        "File size of the images that were rendered.";
    THUMBNAIL_BYTES = "darkroom_thumbnail_bytes", BYTE_BUCKETS, Bytes, [], single,
        "File size of each thumbnail that was delivered.";

    SOURCE_BYTES_IN_FLIGHT = "darkroom_source_bytes_in_flight", Kind::Gauge, Bytes, [], single,
        "Bytes of fetched sources that are held in memory.";
    MEMORY_IN_USE = "darkroom_memory_in_use_bytes", Kind::Gauge, Bytes, [], single,
        "The part of the memory budget that is reserved, for sources and for renders in hand.";
    MEMORY_BUDGET = "darkroom_memory_budget_bytes", Kind::Gauge, Bytes, [], single,
        "Memory that sources and renders may reserve in all.";
    RENDER_SLOTS_IN_USE = "darkroom_render_slots_in_use", Kind::Gauge, One, [], single,
        "Images that are being rendered.";
    RENDER_SLOTS = "darkroom_render_slots", Kind::Gauge, One, [], single,
        "Images that may be rendered at once.";

    FREE_SPACE = "darkroom_free_space_bytes", Kind::Gauge, Bytes, [], single,
        "Free bytes of the disk that holds DARKROOM_DIR; NaN on AWS.";
    STORED = "darkroom_stored_bytes", Kind::Gauge, Bytes, [], single,
        "Bytes of all uploads and thumbnails in DARKROOM_DIR; NaN without DARKROOM_MAX_STORED_BYTES, and on AWS.";
    UPLOADS_WITHOUT_SPACE = "darkroom_uploads_without_space_total", Kind::Counter, One, ["limit"], space_limits,
        "Uploads, and requests for an upload URL, that were refused since there is no space, by what left none.";

    HTTP_REQUESTS = "darkroom_http_requests_total", Kind::Counter, One, ["request", "status"], requests,
        "Requests that the API answered, by what was asked for and by the hundred of the answer's status.";
    HTTP_REQUEST_DURATION =
        "darkroom_http_request_duration_seconds", REQUEST_BUCKETS, Seconds, ["request"], request_names,
        "Time from a request of the API to its answer, without the time that ?wait= or ?until= held the answer back.";

    CONNECTIONS_OPEN = "darkroom_connections_open", Kind::Gauge, One, ["listener"], listeners,
        "Connections that are open, by listener.";
    CONNECTIONS_CLOSED = "darkroom_connections_closed_total", Kind::Counter, One, ["listener", "reason"], closings,
        "Connections that were closed, by listener and reason.";

    PORT_ERRORS = "darkroom_port_errors_total", Kind::Counter, One, ["port", "operation", "kind"], port_errors,
        "Calls of queue, object store or catalog that failed, by what a caller can do about it.";
    KMS_KEY_ERRORS = "darkroom_kms_key_errors_total", Kind::Counter, One, ["port", "operation"], calls,
        "Calls that were denied since a KMS key cannot be used: disabled, deleted, scheduled for deletion, or not allowed.";
    BREAKER_OPEN = "darkroom_breaker_open", Kind::Gauge, One, [], single,
        "1 while an outage holds back the receiving of messages, else 0.";
    DRAIN_DURATION = "darkroom_drain_duration_seconds", WAIT_BUCKETS, Seconds, [], single,
        "Time from the signal to stop until nothing was in hand any more.";
    QUEUE_MESSAGES = "darkroom_queue_messages", Kind::Gauge, One, ["queue", "state"], queue_states,
        "Messages in the queue and among the dead letters, by state. Approximate on SQS.";
    QUEUE_OLDEST_AGE = "darkroom_queue_oldest_age_seconds", Kind::Gauge, Seconds, ["queue"], queues,
        "Age of the oldest message in the queue and among the dead letters; NaN where it is not known, as on SQS.";
    RECEIVED_OLDEST_AGE = "darkroom_received_oldest_age_seconds", Kind::Gauge, Seconds, [], single,
        "Age of the oldest message among those received in the last 15 seconds, redeliveries included; 0 without any.";
    BUILD_INFO = "darkroom_build_info", Kind::Gauge, One, ["version", "render_revision"], build,
        "Always 1; the labels name the build and the revision of the renderer.";
}

fn single() -> Vec<Vec<&'static str>> {
    vec![vec![]]
}

fn one_label(values: impl IntoIterator<Item = &'static str>) -> Vec<Vec<&'static str>> {
    values.into_iter().map(|value| vec![value]).collect()
}

fn outcomes() -> Vec<Vec<&'static str>> {
    one_label(Outcome::ALL.map(Outcome::as_str))
}

fn stages() -> Vec<Vec<&'static str>> {
    one_label(Stage::ALL.map(Stage::as_str))
}

fn rejections() -> Vec<Vec<&'static str>> {
    one_label(Reason::ALL.into_iter().filter(|reason| reason.is_rejection()).map(Reason::as_str))
}

fn tolerated_kinds() -> Vec<Vec<&'static str>> {
    one_label(Tolerated::ALL.iter().copied().map(Tolerated::as_str))
}

fn failures() -> Vec<Vec<&'static str>> {
    one_label(Reason::ALL.into_iter().filter(|reason| !reason.is_rejection()).map(Reason::as_str))
}

fn requests() -> Vec<Vec<&'static str>> {
    let classes = |request: Request| StatusClass::ALL.map(|class| vec![request.as_str(), class.as_str()]);
    Request::ALL.into_iter().flat_map(classes).collect()
}

fn request_names() -> Vec<Vec<&'static str>> {
    one_label(Request::ALL.map(Request::as_str))
}

fn space_limits() -> Vec<Vec<&'static str>> {
    one_label(SpaceLimit::ALL.map(SpaceLimit::as_str))
}

fn listeners() -> Vec<Vec<&'static str>> {
    one_label(ListenerName::ALL.map(ListenerName::as_str))
}

fn closings() -> Vec<Vec<&'static str>> {
    let reasons = |listener: ListenerName| Closed::ALL.map(|closed| vec![listener.as_str(), closed.as_str()]);
    ListenerName::ALL.into_iter().flat_map(reasons).collect()
}

fn queues() -> Vec<Vec<&'static str>> {
    one_label(QueueName::ALL.map(QueueName::as_str))
}

fn queue_states() -> Vec<Vec<&'static str>> {
    QueueName::ALL.iter().flat_map(|queue| QueueState::ALL.map(|state| vec![queue.as_str(), state.as_str()])).collect()
}

fn build() -> Vec<Vec<&'static str>> {
    vec![super::BUILD.to_vec()]
}

/// Both labels of an operation that is not a call of a port.
const NO_CALL: (&str, &str) = ("unknown", "unknown");

/// The calls of the ports, and [`NO_CALL`] for the others.
fn calls() -> Vec<Vec<&'static str>> {
    let calls = Operation::ALL.into_iter().filter_map(Operation::port_and_call);
    calls.chain([NO_CALL]).map(|(port, call)| vec![port, call]).collect()
}

fn port_errors() -> Vec<Vec<&'static str>> {
    let of_call = |call: Vec<&'static str>| ErrorKind::ALL.map(|kind| [&*call, &[kind.as_str()]].concat());
    calls().into_iter().flat_map(of_call).collect()
}

/// The labels `port` and `operation`.
pub(super) fn port_and_operation(operation: Operation) -> (&'static str, &'static str) {
    operation.port_and_call().unwrap_or(NO_CALL)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_follow_the_conventions() {
        let mut seen = HashSet::new();
        for metric in TABLE {
            assert!(seen.insert(metric.name), "{} stands twice", metric.name);
            assert!(metric.name.starts_with("darkroom_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            let unit = match metric.unit {
                Unit::One => continue,
                unit => unit.as_str(),
            };
            assert!(metric.name.contains(unit), "{} does not name its unit", metric.name);
        }
    }

    #[test]
    fn every_series_names_all_its_labels() {
        for metric in TABLE {
            let series = (metric.series)();
            assert!(!series.is_empty(), "{} would be missing until its first event", metric.name);
            assert!(series.iter().all(|values| values.len() == metric.labels.len()), "{}", metric.name);
        }
    }

    #[test]
    fn buckets_grow() {
        for metric in TABLE {
            if let Kind::Histogram(bounds) = metric.kind {
                assert!(bounds.is_sorted_by(|a, b| a < b), "{}", metric.name);
            }
        }
    }

    #[test]
    fn every_operation_has_its_series() {
        assert_eq!(port_and_operation(Operation::ObjectsGet), ("objects", "get"));
        assert_eq!(port_and_operation(Operation::OutcomesAppend), ("unknown", "unknown"));
        let series = port_errors();
        for (port, call) in Operation::ALL.map(port_and_operation) {
            for kind in ErrorKind::ALL {
                let wanted = [port, call, kind.as_str()];
                assert_eq!(series.iter().filter(|labels| **labels == wanted).count(), 1, "{wanted:?}");
            }
        }
    }
}
