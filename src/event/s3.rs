//! One record of an S3 notification, read and written.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Doubts, Event, ObjectCreated, ParseError, if_readable, key_encoding, quoted, read_time, read_version};
use crate::record::Sequencer;

/// The event source of S3, and of darkroom's own notifications.
const S3: &str = "aws:s3";

/// The event sources whose sequencers order the events of a key. Ceph's are little-endian times.
const SEQUENCED: [&str; 2] = [S3, "minio:s3"];

/// The major version of the schema that is read, and the version that is written.
const MAJOR_VERSION: &str = "2";
const WRITTEN_VERSION: &str = "2.2";

/// The fields of an S3 record, schema 2, that darkroom uses.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[serde(expecting = "an object")]
struct Record {
    #[serde(default, deserialize_with = "if_readable")]
    event_time: Option<String>,
    s3: Place,
    /// darkroom's own extension.
    #[serde(default, deserialize_with = "if_readable")]
    darkroom: Option<Extra>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Place {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[serde(expecting = "an object")]
struct Object {
    key: String,
    #[serde(default, deserialize_with = "if_readable")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "if_readable")]
    version_id: Option<String>,
    #[serde(default, deserialize_with = "if_readable")]
    sequencer: Option<String>,
}

/// The fields that darkroom's own notifications add to S3's. They show that the key is encoded.
#[derive(Deserialize, Serialize)]
struct Extra {
    #[serde(default)]
    force: bool,
}

/// Reads one element of `Records`.
pub(super) fn read_record(record: &Value) -> Event {
    match read_created(record) {
        Ok(Some(created)) => Event::Created(created),
        Ok(None) => Event::Ignored("another kind of event than ObjectCreated"),
        Err(error) => Event::Unreadable(error),
    }
}

/// The object that was created; `None` when the record is of another event type.
fn read_created(record: &Value) -> Result<Option<ObjectCreated>, ParseError> {
    let text = |field: &str| record.get(field).and_then(Value::as_str);
    let name = text("eventName").ok_or_else(|| ParseError("a record without \"eventName\"".to_owned()))?;
    let source = text("eventSource").unwrap_or_default();
    // A record of CloudTrail's log has the host name of a service as its source.
    if source.ends_with(".amazonaws.com") {
        let problem = "and not a notification of S3: send the bucket's notification to the queue";
        return Err(ParseError(format!("a record of CloudTrail from {}, {problem}", quoted(source))));
    }
    // Some emulators write the event name with the prefix `s3:`, as in the bucket's configuration.
    if !name.strip_prefix("s3:").unwrap_or(name).starts_with("ObjectCreated:") {
        return Ok(None);
    }
    if let Some(version) = text("eventVersion")
        && version.split('.').next() != Some(MAJOR_VERSION)
    {
        return Err(ParseError(format!("a record of version {}, this build reads {MAJOR_VERSION}.x", quoted(version))));
    }
    let record = Record::deserialize(record).map_err(|error| ParseError(format!("a record with {error}")))?;
    let object = record.s3.object;
    if object.key.is_empty() || record.s3.bucket.name.is_empty() {
        return Err(ParseError("a record with an empty key or bucket name".to_owned()));
    }
    let key = key_encoding::decode(&object.key)?;
    let doubts = Doubts {
        raw_key: Some(object.key).filter(|raw| *raw != key && record.darkroom.is_none()),
        is_version_doubtful: source != S3,
    };
    Ok(Some(ObjectCreated {
        bucket: record.s3.bucket.name,
        key,
        size: object.size,
        version_id: read_version(object.version_id),
        sequencer: object.sequencer.filter(|_| SEQUENCED.contains(&source)).and_then(|text| Sequencer::parse(&text)),
        at: record.event_time.as_deref().and_then(read_time),
        is_forced: record.darkroom.is_some_and(|extra| extra.force),
        doubts,
    }))
}

/// The message that S3 would send for this object: [`parse`](super::parse) returns `created` again.
///
/// `etag` is written without quotes, as S3 does; empty if unknown.
pub fn notification(created: &ObjectCreated, etag: &str) -> String {
    let mut object = json!({ "key": key_encoding::encode(&created.key) });
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            object[field] = value;
        }
    };
    put("size", created.size.map(Value::from));
    put("eTag", Some(etag.trim_matches('"')).filter(|etag| !etag.is_empty()).map(Value::from));
    put("versionId", created.version_id.as_deref().map(Value::from));
    put("sequencer", created.sequencer.as_ref().map(|sequencer| Value::from(sequencer.as_str())));

    let mut record = json!({
        "eventVersion": WRITTEN_VERSION,
        "eventSource": S3,
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0",
            "bucket": { "name": created.bucket, "arn": format!("arn:aws:s3:::{}", created.bucket) },
            "object": object,
        },
        "darkroom": Extra { force: created.is_forced },
    });
    if let Some(at) = created.at {
        record["eventTime"] = Value::from(at.to_string());
    }
    json!({ "Records": [record] }).to_string()
}
