//! The message that an upload puts on the queue: the very JSON that S3 sends.

use serde_json::json;

use crate::clock::Timestamp;

/// An object that was just stored.
pub(super) struct Stored<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) bytes: u64,
    pub(super) etag: &'a str,
    pub(super) version: &'a str,
    /// Grows with every object of this database.
    pub(super) number: i64,
    pub(super) at: Timestamp,
}

/// S3's notification of one created object.
pub(super) fn object_created(stored: &Stored<'_>) -> String {
    json!({
        "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "local",
            "eventTime": stored.at.to_string(),
            "eventName": "ObjectCreated:Put",
            "userIdentity": { "principalId": "darkroom" },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": {},
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "darkroom",
                "bucket": {
                    "name": stored.bucket,
                    "ownerIdentity": { "principalId": "darkroom" },
                    "arn": format!("arn:aws:s3:::{}", stored.bucket),
                },
                "object": {
                    "key": form_encoded(stored.key),
                    "size": stored.bytes,
                    "eTag": stored.etag,
                    "versionId": stored.version,
                    "sequencer": format!("{:016X}", stored.number),
                },
            },
        }],
    })
    .to_string()
}

/// The key as S3 writes it into events: form-encoded, with the slashes left as they are.
fn form_encoded(key: &str) -> String {
    let segments: Vec<String> =
        key.split('/').map(|segment| form_urlencoded::byte_serialize(segment.as_bytes()).collect()).collect();
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_form_encoded_as_s3_does_it() {
        for (key, encoded) in [
            ("uploads/cat", "uploads/cat"),
            ("a b+c%.jpg", "a+b%2Bc%25.jpg"),
            ("uploads/käse/ü.png", "uploads/k%C3%A4se/%C3%BC.png"),
        ] {
            assert_eq!(form_encoded(key), encoded);
        }
    }
}
