//! Converts records to DynamoDB items and back. The attributes are the record's fields, including unknown ones.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Map, Value};

use crate::record::{ImageRecord, SCHEMA, Status};

pub(super) type Item = HashMap<String, AttributeValue>;

/// The attribute of DynamoDB's time to live: in seconds, while all other times are in milliseconds.
const TTL: &str = "ttl";

/// An item that cannot be converted to a record, or a record that cannot be converted to an item.
#[derive(Debug, thiserror::Error)]
#[error("an item that is not a record")]
pub(super) struct UnreadableItem(#[from] serde_json::Error);

/// Converts a record to an item.
pub(super) fn of(record: &ImageRecord) -> Result<Item, UnreadableItem> {
    let Value::Object(mut fields) = serde_json::to_value(record)? else {
        return Ok(Item::new());
    };
    if let Some(millis) = fields.get(TTL).and_then(Value::as_i64) {
        fields.insert(TTL.to_owned(), seconds(millis).into());
    }
    Ok(fields.into_iter().map(|(name, value)| (name, attribute(value))).collect())
}

/// Converts a field of a record to an attribute.
pub(super) fn attribute_of(field: &impl serde::Serialize) -> AttributeValue {
    // Fields are plain data with string keys, so the conversion does not fail.
    attribute(serde_json::to_value(field).unwrap_or(Value::Null))
}

/// Converts an item to a record. Of a newer schema, reads at least id, key, revision and schema.
pub(super) fn read(item: Item) -> Result<ImageRecord, UnreadableItem> {
    let mut fields: Map<String, Value> = item.into_iter().map(|(name, attribute)| (name, value(attribute))).collect();
    if let Some(seconds) = fields.get(TTL).and_then(Value::as_i64) {
        fields.insert(TTL.to_owned(), seconds.saturating_mul(1000).into());
    }
    let is_newer = fields.get("v").and_then(Value::as_u64).is_some_and(|v| v > u64::from(SCHEMA));
    match serde_json::from_value(Value::Object(fields.clone())) {
        Err(_) if is_newer => Ok(serde_json::from_value(Value::Object(essence(fields)))?),
        record => Ok(record?),
    }
}

/// The fields that every schema has, and defaults for those that this schema requires.
fn essence(mut fields: Map<String, Value>) -> Map<String, Value> {
    fields.retain(|name, _| ["id", "key", "v", "rev", "created_at", "updated_at"].contains(&name.as_str()));
    for (name, value) in [
        ("key", Value::from("")),
        ("status", Value::from(Status::WaitingForUpload.as_str())),
        ("rev", Value::from(0)),
        ("created_at", Value::from(0)),
        ("updated_at", Value::from(0)),
    ] {
        fields.entry(name).or_insert(value);
    }
    fields
}

/// Milliseconds as seconds, rounded up: an expiry may be late but not early.
pub(super) fn seconds(millis: i64) -> i64 {
    millis.div_euclid(1000) + i64::from(millis.rem_euclid(1000) > 0)
}

fn attribute(value: Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(is) => AttributeValue::Bool(is),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text),
        Value::Array(items) => AttributeValue::L(items.into_iter().map(attribute).collect()),
        Value::Object(fields) => {
            AttributeValue::M(fields.into_iter().map(|(name, value)| (name, attribute(value))).collect())
        }
    }
}

/// The value of an attribute. Binary values and sets can only come from other builds; they become a description and are
/// never written back.
fn value(attribute: AttributeValue) -> Value {
    match attribute {
        AttributeValue::Bool(is) => Value::Bool(is),
        AttributeValue::N(number) => serde_json::from_str(&number).unwrap_or(Value::String(number)),
        AttributeValue::S(text) => Value::String(text),
        AttributeValue::L(items) => items.into_iter().map(value).collect(),
        AttributeValue::M(fields) => {
            Value::Object(fields.into_iter().map(|(name, attribute)| (name, value(attribute))).collect())
        }
        AttributeValue::Ns(items) | AttributeValue::Ss(items) => items.into_iter().map(Value::String).collect(),
        AttributeValue::B(bytes) => Value::String(data_encoding::BASE64.encode(bytes.as_ref())),
        AttributeValue::Bs(items) => {
            items.into_iter().map(|bytes| Value::String(data_encoding::BASE64.encode(bytes.as_ref()))).collect()
        }
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use darkroom_thumbnail::FileKind;

    use super::*;
    use crate::clock::Timestamp;
    use crate::record::{ImageId, Original, Published, PublishedThumbnail, Reason, RefusedKind, Sequencer, SourceId};

    /// A record with all fields set.
    fn full() -> ImageRecord {
        let thumbnail =
            |size: &str, side| PublishedThumbnail { size: size.to_owned(), width: side, height: side, bytes: 123_456 };
        let id = ImageId::random().unwrap();
        let key = format!("uploads/{id}");
        let mut record = ImageRecord::waiting_for_upload(
            id,
            key,
            Timestamp::from_millis(1_700_000_000_123),
            Timestamp::from_millis(1_700_000_100_000),
        );
        record.status = Status::Failed;
        record.reason = Some(Reason::RenderTimeout);
        record.seq = Sequencer::parse("0055AED6DCD90281E5");
        record.src = Some(SourceId::new(Some("3sL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY+MTRCxf3vjVBH40Nr8X8gdRQBpUMLUo"), ""));
        record.claim = Some("2".repeat(26));
        record.message = Some("5fea7756-0ea4-451a-a703-a558b933e274".to_owned());
        record.lease_until = Some(Timestamp::from_millis(1_700_000_120_123));
        record.deaths = 3;
        record.rev = 12;
        record.original =
            Some(Original { content_type: "image/jpeg".to_owned(), width: 4000, height: 3000, bytes: 5_000_000 });
        record.published = Some(Published {
            version: "a".repeat(26),
            content_type: "image/jpeg".to_owned(),
            at: Timestamp::from_millis(1_700_000_001_000),
            thumbnails: vec![thumbnail("small", 100), thumbnail("medium", 500), thumbnail("large", 1000)],
        });
        record.settled_at = Some(Timestamp::from_millis(1_700_000_001_000));
        record.last_error = Some("rendering took longer than 60 s".to_owned());
        record
    }

    /// A record of a refused upload with the longest kind and detail, and the thumbnails of the version before it.
    fn refused() -> ImageRecord {
        let longest = |text: fn(FileKind) -> &'static str| {
            FileKind::ALL.into_iter().map(text).max_by_key(|text| text.len()).unwrap_or_default().to_owned()
        };
        let refused_kind = RefusedKind { name: longest(FileKind::name), at: Timestamp::from_millis(1_700_000_002_000) };
        ImageRecord {
            status: Status::InvalidContentType,
            reason: Some(Reason::UnsupportedType),
            refused_kind: Some(refused_kind),
            last_error: Some(longest(FileKind::sentence)),
            lease_until: None,
            original: None,
            ..full()
        }
    }

    /// Item size by DynamoDB's rules: UTF-8 names and strings, about one byte per two digits, 3 bytes per container and
    /// 1 per entry.
    fn size(attribute: &AttributeValue) -> usize {
        match attribute {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(digits) => digits.len() / 2 + 2,
            AttributeValue::L(items) => 3 + items.iter().map(|item| 1 + size(item)).sum::<usize>(),
            AttributeValue::M(fields) => {
                3 + fields.iter().map(|(name, field)| 1 + name.len() + size(field)).sum::<usize>()
            }
            _ => 1,
        }
    }

    #[test]
    fn a_record_survives_the_way_there_and_back() {
        let mut record = ImageRecord { refused_kind: refused().refused_kind, ..full() };
        record.other.insert("colour".to_owned(), serde_json::json!({"space": ["p3", 1.5, true, null]}));
        assert_eq!(read(of(&record).unwrap()).unwrap(), record);
    }

    #[test]
    fn an_item_stays_under_one_write_unit() {
        for record in [full(), refused()] {
            let bytes: usize = of(&record).unwrap().iter().map(|(name, attribute)| name.len() + size(attribute)).sum();
            assert!(bytes < 1024, "{bytes} bytes");
        }
    }

    #[test]
    fn the_ttl_is_stored_in_seconds_and_never_early() {
        let mut record = full();
        record.ttl = Some(Timestamp::from_millis(1_700_000_000_001));
        let item = of(&record).unwrap();
        assert_eq!(item["ttl"], AttributeValue::N("1700000001".to_owned()));
        assert_eq!(read(item).unwrap().ttl, Some(Timestamp::from_millis(1_700_000_001_000)));
    }

    #[test]
    fn a_newer_record_is_read_as_far_as_it_can_be() {
        let mut item = of(&full()).unwrap();
        item.insert("status".to_owned(), AttributeValue::S("dreaming".to_owned()));
        item.insert("published".to_owned(), AttributeValue::N("7".to_owned()));
        assert!(read(item.clone()).is_err(), "a status of no schema that we know");
        item.insert("v".to_owned(), AttributeValue::N((SCHEMA + 1).to_string()));
        let record = read(item).unwrap();
        assert!(record.is_of_a_newer_schema());
        assert_eq!(record.rev, 12);
    }
}
