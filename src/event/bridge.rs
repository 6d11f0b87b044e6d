//! S3's events as EventBridge sends them: one object each, with keys that are not encoded.

use serde::Deserialize;
use serde_json::Value;

use super::{Doubts, Event, ObjectCreated, ParseError, if_readable, quoted, read_time, read_version};
use crate::record::Sequencer;

/// How to set up a rule whose events darkroom can read.
pub(super) const SETUP: &str = "turn on EventBridge for the bucket, match source \"aws.s3\" and detail-type \"Object \
                                Created\", and send the whole event, without an input path or transformer";

/// The detail-types that S3 sends besides `Object Created`:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html>.
const OTHER_TYPES: [&str; 9] = [
    "Object Deleted",
    "Object Restore Initiated",
    "Object Restore Completed",
    "Object Restore Expired",
    "Object Storage Class Changed",
    "Object Access Tier Changed",
    "Object ACL Updated",
    "Object Tags Added",
    "Object Tags Deleted",
];

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Envelope {
    source: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    #[serde(default, deserialize_with = "if_readable")]
    time: Option<String>,
    #[serde(default)]
    detail: Value,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Detail {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Object {
    key: String,
    #[serde(default, deserialize_with = "if_readable")]
    size: Option<u64>,
    #[serde(default, rename = "version-id", deserialize_with = "if_readable")]
    version_id: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    sequencer: Option<String>,
}

/// Reads an EventBridge event.
pub(super) fn read(body: &Value) -> Result<Event, ParseError> {
    let because = |error| ParseError(format!("an EventBridge event with {error}"));
    let envelope = Envelope::deserialize(body).map_err(because)?;
    if envelope.source != "aws.s3" {
        return Err(ParseError(format!("an EventBridge event from {}, not \"aws.s3\"", quoted(&envelope.source))));
    }
    if OTHER_TYPES.contains(&&*envelope.detail_type) {
        return Ok(Event::Ignored("another kind of event than Object Created"));
    }
    if envelope.detail_type != "Object Created" {
        let kind = quoted(&envelope.detail_type);
        return Err(ParseError(format!("an EventBridge event of type {kind}, which S3 does not send: {SETUP}")));
    }
    let Detail { bucket, object } = Detail::deserialize(&envelope.detail).map_err(because)?;
    if object.key.is_empty() || bucket.name.is_empty() {
        return Err(ParseError("an EventBridge event with an empty key or bucket name".to_owned()));
    }
    Ok(Event::Created(ObjectCreated {
        bucket: bucket.name,
        key: object.key,
        size: object.size,
        version_id: read_version(object.version_id),
        sequencer: object.sequencer.as_deref().and_then(Sequencer::parse),
        at: envelope.time.as_deref().and_then(read_time),
        is_forced: false,
        doubts: Doubts::default(),
    }))
}
