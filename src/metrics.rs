//! The metrics: one small recording function per event. One table has names, labels and help texts.

pub mod definitions;
pub mod process;
mod recorder;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use darkroom_thumbnail::Tolerated;

use crate::names;
use crate::ports::queue::QueueAttributes;
use crate::ports::{ErrorKind, PortError};
use crate::record::Reason;

pub use definitions::Scope;
pub use recorder::{CONTENT_TYPE, Metrics, install};

/// The crate's version and the renderer's revision, the labels of `darkroom_build_info`.
const BUILD: [&str; 2] = [env!("CARGO_PKG_VERSION"), RENDER_REVISION];

/// [`crate::recipe::RENDER_REVISION`] as a label.
const RENDER_REVISION: &str = "6";

/// The highest [`received_age`] since the last sample.
static OLDEST_RECEIVED_MILLIS: AtomicU64 = AtomicU64::new(0);

names::named! {
    /// The result of a message.
    Outcome {
        /// The thumbnails were published.
        Published = "published",
        /// The object is not an accepted image.
        Rejected = "rejected",
        /// The object no longer existed.
        SourceMissing = "source_missing",
        /// The same upload was already processed, or is being processed.
        Duplicate = "duplicate",
        /// A newer upload of the same key was processed first.
        Superseded = "superseded",
        /// A test event, another kind of event, a folder marker, a key outside the prefix.
        Ignored = "ignored",
        /// It failed and is retried after a delay.
        Retried = "retried",
        /// It failed for good and was released to the dead-letter queue: counted on its last receive.
        DeadLettered = "dead_lettered",
        /// Its lease was lost, so another worker may have it: left alone.
        LeaseLost = "lease_lost",
        /// Released because the process stops, or because the message has receives left before it becomes a dead
        /// letter.
        Released = "released",
    }
}

names::named! {
    /// A step of the work on one image.
    Stage {
        /// Read the object.
        Fetch = "fetch",
        /// Read its header.
        Inspect = "inspect",
        /// Wait for memory.
        WaitMemory = "wait_memory",
        /// Wait for a render slot.
        WaitSlot = "wait_slot",
        /// Write the claim.
        Claim = "claim",
        /// The whole rendering, from bytes to thumbnails.
        Render = "render",
        /// The decoding part of rendering.
        Decode = "decode",
        /// The resizing part of rendering.
        Resize = "resize",
        /// The encoding part of rendering.
        Encode = "encode",
        /// Put the thumbnails.
        Deliver = "deliver",
        /// Write the status.
        Publish = "publish",
    }
}

names::named! {
    /// The queue of a depth.
    QueueName {
        /// The queue that workers receive from.
        Work = "work",
        /// The dead-letter queue.
        DeadLetters = "dead_letters",
    }
}

names::named! {
    /// The state of a message in a queue.
    QueueState {
        /// A receive could return it now.
        Visible = "visible",
        /// A receiver holds it.
        InFlight = "in_flight",
        /// It was sent with a delay.
        Delayed = "delayed",
    }
}

names::named! {
    /// The kind of request to the API.
    Request {
        /// An upload URL.
        CreateImage = "create_image",
        /// An upload URL for a file of any type.
        CreatePlainUpload = "create_plain_upload",
        /// The status of an image.
        GetImage = "get_image",
        /// The status of an image by its object key.
        FindImage = "find_image",
        /// A thumbnail.
        GetThumbnail = "get_thumbnail",
        /// The deletion of an image.
        DeleteImage = "delete_image",
        /// The API's OpenAPI description.
        GetDescription = "get_description",
        /// The liveness check.
        GetLiveness = "get_liveness",
        /// The upload page and its files.
        Page = "page",
        /// Anything else.
        Other = "other",
    }
}

names::named! {
    /// The limit that left no space for an upload.
    SpaceLimit {
        /// The free space that uploads must leave.
        FreeSpace = "free_space",
        /// The limit of stored bytes.
        StoredBytes = "stored_bytes",
        /// The disk itself.
        Disk = "disk",
    }
}

names::named! {
    /// The class of a response status.
    StatusClass {
        /// Success.
        Success = "2xx",
        /// Redirection, or not modified.
        Redirection = "3xx",
        /// An error of the client.
        ClientError = "4xx",
        /// An error of the server, or of a service that it needs.
        ServerError = "5xx",
    }
}

names::named! {
    /// The listener of a connection.
    ListenerName {
        /// The API's.
        Api = "api",
        /// The listener of health and metrics.
        Admin = "admin",
    }
}

names::named! {
    /// Why a connection was closed.
    Closed {
        /// The client closed it, or an exchange finished.
        Ended = "ended",
        /// No request came in time.
        Idle = "idle",
        /// The client accepted no byte of a response in time.
        Stalled = "stalled",
        /// It was closed in favour of another one, or the process stopped.
        Evicted = "evicted",
    }
}

/// A receive returned `count` messages.
pub fn messages_received(count: usize) {
    definitions::MESSAGES_RECEIVED.counter(&[]).increment(count as u64);
}

/// A message was received for the first time, `lag` after it was sent.
pub fn queue_lag(lag: Duration) {
    definitions::QUEUE_LAG.histogram(&[]).record(lag);
}

/// A message was received `age` after it was sent, for the first time or again.
pub fn received_age(age: Duration) {
    OLDEST_RECEIVED_MILLIS.fetch_max(u64::try_from(age.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Sets the scraped value to the age of the oldest message that was received since the last call.
pub fn sample_received_age() {
    let oldest = Duration::from_millis(OLDEST_RECEIVED_MILLIS.swap(0, Ordering::Relaxed));
    definitions::RECEIVED_OLDEST_AGE.gauge(&[]).set(oldest.as_secs_f64());
}

/// A message was received for the `count`-th time.
pub fn receive_count(count: u32) {
    definitions::MESSAGE_RECEIVES.histogram(&[]).record(f64::from(count));
}

/// A message was settled.
pub fn settled(outcome: Outcome) {
    definitions::MESSAGES_SETTLED.counter(&[outcome.as_str()]).increment(1);
}

/// A verdict on an upload was written: rejected, or failed for good, with this reason.
pub fn verdict(reason: Reason) {
    let metric = if reason.is_rejection() { &definitions::IMAGES_REJECTED } else { &definitions::IMAGES_FAILED };
    metric.counter(&[reason.as_str()]).increment(1);
}

/// An image was rendered although its file has this oddity.
pub fn tolerated(oddity: Tolerated) {
    definitions::TOLERATED.counter(&[oddity.as_str()]).increment(1);
    if oddity == Tolerated::MissingEnd {
        definitions::IMAGES_WITHOUT_END.counter(&[]).increment(1);
    }
}

/// Thumbnails were published `elapsed` after their object was created.
pub fn upload_to_published(elapsed: Duration) {
    definitions::UPLOAD_TO_PUBLISHED.histogram(&[]).record(elapsed);
}

/// A step of the work took this long.
pub fn stage(stage: Stage, elapsed: Duration) {
    definitions::STAGE_DURATION.histogram(&[stage.as_str()]).record(elapsed);
}

/// This process holds `count` messages.
pub fn in_flight_messages(count: usize) {
    definitions::IN_FLIGHT_MESSAGES.gauge(&[]).set(count as f64);
}

/// Fetched sources take `bytes` of memory.
pub fn source_bytes_in_flight(bytes: u64) {
    definitions::SOURCE_BYTES_IN_FLIGHT.gauge(&[]).set(bytes as f64);
}

/// Sources and renders in progress have reserved `bytes`.
pub fn memory_in_use(bytes: u64) {
    definitions::MEMORY_IN_USE.gauge(&[]).set(bytes as f64);
}

/// Sources and renders may reserve `bytes` in total.
pub fn memory_budget(bytes: u64) {
    definitions::MEMORY_BUDGET.gauge(&[]).set(bytes as f64);
}

/// `count` images are being rendered.
pub fn render_slots_in_use(count: usize) {
    definitions::RENDER_SLOTS_IN_USE.gauge(&[]).set(count as f64);
}

/// `count` images may be rendered at once.
pub fn render_slots(count: usize) {
    definitions::RENDER_SLOTS.gauge(&[]).set(count as f64);
}

/// A lease was extended when `left` remained.
pub fn heartbeat_margin(left: Duration) {
    definitions::HEARTBEAT_MARGIN.histogram(&[]).record(left);
}

/// A lease expired, or the queue reported it as lost.
pub fn lease_lost() {
    definitions::LEASES_LOST.counter(&[]).increment(1);
}

/// A claim was found whose holder died without settling it.
pub fn dead_claim() {
    definitions::DEAD_CLAIMS.counter(&[]).increment(1);
}

/// An image of this many pixels and bytes was rendered.
pub fn source(pixels: u64, bytes: u64) {
    definitions::SOURCE_PIXELS.histogram(&[]).record(pixels as f64);
    definitions::SOURCE_BYTES.histogram(&[]).record(bytes as f64);
}

/// A thumbnail of this many bytes was delivered.
pub fn thumbnail_bytes(bytes: u64) {
    definitions::THUMBNAIL_BYTES.histogram(&[]).record(bytes as f64);
}

/// A call of a port failed.
pub fn port_error(error: &PortError) {
    let (port, operation) = definitions::port_and_operation(error.operation);
    definitions::PORT_ERRORS.counter(&[port, operation, error.kind.as_str()]).increment(1);
    if error.is_about_key() && error.kind == ErrorKind::Denied {
        definitions::KMS_KEY_ERRORS.counter(&[port, operation]).increment(1);
    }
}

/// The breaker opened or closed.
pub fn breaker_open(is_open: bool) {
    definitions::BREAKER_OPEN.gauge(&[]).set(f64::from(u8::from(is_open)));
}

/// A request was answered after `elapsed`.
pub fn answered(request: Request, status: StatusClass, elapsed: Duration) {
    definitions::HTTP_REQUESTS.counter(&[request.as_str(), status.as_str()]).increment(1);
    definitions::HTTP_REQUEST_DURATION.histogram(&[request.as_str()]).record(elapsed);
}

/// An upload, or a request for an upload URL, was refused for lack of space.
pub fn upload_without_space(limit: SpaceLimit) {
    definitions::UPLOADS_WITHOUT_SPACE.counter(&[limit.as_str()]).increment(1);
}

/// The local directory's disk has `bytes` free; `None` if unknown.
pub fn free_space(bytes: Option<u64>) {
    definitions::FREE_SPACE.gauge(&[]).set(bytes.map_or(f64::NAN, |bytes| bytes as f64));
}

/// The local directory stores `bytes` of objects; `None` if unknown.
pub fn stored(bytes: Option<u64>) {
    definitions::STORED.gauge(&[]).set(bytes.map_or(f64::NAN, |bytes| bytes as f64));
}

/// A connection was opened.
pub fn connection_opened(listener: ListenerName) {
    definitions::CONNECTIONS_OPEN.gauge(&[listener.as_str()]).increment(1.0);
}

/// An open connection ended.
pub fn connection_ended(listener: ListenerName) {
    definitions::CONNECTIONS_OPEN.gauge(&[listener.as_str()]).decrement(1.0);
}

/// A connection was closed, for this reason.
pub fn connection_closed(listener: ListenerName, closed: Closed) {
    definitions::CONNECTIONS_CLOSED.counter(&[listener.as_str(), closed.as_str()]).increment(1);
}

/// The drain finished, `elapsed` after the signal to stop.
pub fn drained(elapsed: Duration) {
    definitions::DRAIN_DURATION.histogram(&[]).record(elapsed);
}

/// The depth and oldest age of the queue and of the dead-letter queue.
pub fn queue_depth(work: &QueueAttributes, dead_letters: &QueueAttributes) {
    for (queue, depth) in [(QueueName::Work, work), (QueueName::DeadLetters, dead_letters)] {
        for (state, count) in [
            (QueueState::Visible, depth.visible),
            (QueueState::InFlight, depth.in_flight),
            (QueueState::Delayed, depth.delayed),
        ] {
            definitions::QUEUE_MESSAGES.gauge(&[queue.as_str(), state.as_str()]).set(count as f64);
        }
        let age = depth.oldest_age.map_or(f64::NAN, |age| age.as_secs_f64());
        definitions::QUEUE_OLDEST_AGE.gauge(&[queue.as_str()]).set(age);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_label_is_the_revision_of_the_renderer() {
        assert_eq!(super::RENDER_REVISION, crate::recipe::RENDER_REVISION.to_string());
    }
}
