//! S3's events as EventBridge sends them: one object each, with keys that are not encoded.

use serde::Deserialize;
use serde_json::Value;

use super::{Event, ObjectCreated, ParseError, if_readable, quoted, read_time, read_version};
use crate::record::Sequencer;

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
    if envelope.detail_type != "Object Created" {
        return Ok(Event::Ignored("another kind of event than Object Created"));
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
    }))
}
