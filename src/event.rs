//! Upload events: parses the body of a message into the objects that were created.

mod bridge;
mod key_encoding;
mod s3;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::record::SourceId;

pub use s3::notification;

/// One created object, as described by its event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectCreated {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// Size in bytes, if the event has it.
    pub size: Option<u64>,
    /// The version id, if the bucket keeps versions; S3's literal `null` becomes `None`.
    pub version_id: Option<String>,
    /// The order among the events of this key; `None` if the event has none or it is not a hexadecimal number.
    pub sequencer: Option<crate::record::Sequencer>,
    /// When the object was created, if the event has it.
    pub at: Option<crate::clock::Timestamp>,
    /// Render again although the same bytes are published (a backfill with `--force`).
    pub is_forced: bool,
    /// What else the event may mean.
    pub doubts: Doubts,
}

/// Where else the object may be, if it is not where the event says. Other systems imitate S3's events: an EventBridge
/// input transformer writes keys that are not encoded, and MinIO writes a version for a bucket without versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    /// The key as it is written, if decoding changes it and darkroom did not write the event.
    pub raw_key: Option<String>,
    /// Whether the version may be unknown to the store, which then has the object without it. S3's own events never
    /// name an unknown version, so there it was deleted.
    pub is_version_doubtful: bool,
}

/// One record of a message, in the message's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An object was created.
    Created(ObjectCreated),
    /// S3's test event, another kind of event, or a foreign notification: nothing to do.
    Ignored(&'static str),
    /// A record that cannot be read. The other records of the message are processed, and the message becomes a dead
    /// letter.
    Unreadable(ParseError),
}

/// A message body, or one record of it, that is not an upload event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an upload event: {0}")]
pub struct ParseError(pub String);

/// Reads the body of a message: an S3 notification (raw or inside an SNS envelope), S3's test event, or an EventBridge
/// event.
///
/// # Errors
/// When the body is none of these. A single record that cannot be read is an [`Event::Unreadable`] among the others.
pub fn parse(body: &str) -> Result<Vec<Event>, ParseError> {
    let body = read_json(body)?;
    match sns_message(&body)? {
        Some(message) => parse_unwrapped(&read_json(message)?),
        None => parse_unwrapped(&body),
    }
}

/// Reads what S3 or EventBridge sent, without an envelope.
fn parse_unwrapped(body: &Value) -> Result<Vec<Event>, ParseError> {
    if let Some(records) = body.get("Records") {
        let records = records.as_array().ok_or_else(|| ParseError("\"Records\" is not a list".to_owned()))?;
        return match records.as_slice() {
            [] => Err(ParseError("\"Records\" is empty".to_owned())),
            records => Ok(records.iter().map(s3::read_record).collect()),
        };
    }
    if body.get("Event").and_then(Value::as_str) == Some("s3:TestEvent") {
        return Ok(vec![Event::Ignored("the test event that S3 sends when its notification is configured")]);
    }
    if body.get("detail-type").is_some() {
        return bridge::read(body).map(|event| vec![event]);
    }
    if body.get("bucket").is_some() && body.get("object").is_some() {
        return Err(ParseError(format!("only the detail of an EventBridge event: {}", bridge::SETUP)));
    }
    Err(ParseError("it has neither \"Records\" nor \"detail-type\", and is no test event".to_owned()))
}

/// The text inside an SNS envelope; `None` without an envelope.
fn sns_message(body: &Value) -> Result<Option<&str>, ParseError> {
    let Some(kind) = body.get("Type").and_then(Value::as_str) else { return Ok(None) };
    match (kind, body.get("Message").and_then(Value::as_str)) {
        ("Notification", Some(message)) => Ok(Some(message)),
        ("Notification", None) => Err(ParseError("an SNS notification without \"Message\"".to_owned())),
        (other, _) => Err(ParseError(format!("an SNS message of type {}", quoted(other)))),
    }
}

/// Parses the body as JSON.
fn read_json(text: &str) -> Result<Value, ParseError> {
    serde_json::from_str(text).map_err(|error| ParseError(format!("not JSON: {error}")))
}

/// An external value for an error's text, cut to a readable length.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(80).collect::<String>())
}

/// Reads an optional field; a value of an unexpected type counts as missing.
fn if_readable<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::de::DeserializeOwned,
{
    let value: Value = serde::Deserialize::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

/// Parses the time of an event; `None` when it is not RFC 3339.
fn read_time(text: &str) -> Option<crate::clock::Timestamp> {
    let at: jiff::Timestamp = text.parse().ok()?;
    Some(crate::clock::Timestamp::from_millis(at.as_millisecond()))
}

/// The version id of an object; S3 says `null` in a bucket without versions.
fn read_version(version: Option<String>) -> Option<String> {
    version.filter(|version| SourceId::is_version(version))
}
