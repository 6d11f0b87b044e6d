//! The events of S3, SNS and EventBridge as they arrive, and messages that only resemble them.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::clock::Timestamp;
use crate::record::Sequencer;

/// A notification from S3's documentation, including fields that darkroom does not use.
const PUT: &str = r#"{"Records":[{"eventVersion":"2.6","eventSource":"aws:s3","awsRegion":"eu-west-1",
    "eventTime":"2023-11-14T22:13:20.120Z","eventName":"ObjectCreated:Put",
    "userIdentity":{"principalId":"AWS:AIDA"},"requestParameters":{"sourceIPAddress":"127.0.0.1"},
    "responseElements":{"x-amz-request-id":"C3D13FE58DE4C810"},
    "s3":{"s3SchemaVersion":"1.0","configurationId":"uploads",
      "bucket":{"name":"photos","ownerIdentity":{"principalId":"A3NL"},"arn":"arn:aws:s3:::photos"},
      "object":{"key":"uploads/a+b%2Bc%25.jpg","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e",
        "versionId":"096fKKXTRTtl3on89fVO.nfljtsv6qko","sequencer":"0055AED6DCD90281E5","later":{"a":1}}},
    "glacierEventData":null}]}"#;

fn created(key: &str) -> ObjectCreated {
    ObjectCreated {
        bucket: "photos".to_owned(),
        key: key.to_owned(),
        size: None,
        version_id: None,
        sequencer: None,
        at: None,
        is_forced: false,
        doubts: Doubts::default(),
    }
}

fn put_of_the_documentation() -> ObjectCreated {
    ObjectCreated {
        size: Some(1024),
        version_id: Some("096fKKXTRTtl3on89fVO.nfljtsv6qko".to_owned()),
        sequencer: Sequencer::parse("0055AED6DCD90281E5"),
        at: Some(Timestamp::from_millis(1_700_000_000_120)),
        doubts: Doubts { raw_key: Some("uploads/a+b%2Bc%25.jpg".to_owned()), is_version_doubtful: false },
        ..created("uploads/a b+c%.jpg")
    }
}

/// A raw notification with these records.
fn records(records: serde_json::Value) -> String {
    json!({ "Records": records }).to_string()
}

fn record(event_name: &str, key: &str) -> serde_json::Value {
    let place = json!({ "bucket": { "name": "photos" }, "object": { "key": key } });
    json!({ "eventSource": "aws:s3", "eventName": event_name, "s3": place })
}

fn why_not(body: &str) -> String {
    parse(body).expect_err(body).0
}

#[test]
fn a_raw_notification_is_read() {
    assert_eq!(parse(PUT), Ok(vec![Event::Created(put_of_the_documentation())]));
}

#[test]
fn a_notification_inside_sns_is_read() {
    let body = json!({ "Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:::t", "Message": PUT });
    assert_eq!(parse(&body.to_string()), Ok(vec![Event::Created(put_of_the_documentation())]));
}

#[test]
fn an_eventbridge_event_is_read_and_its_key_is_not_encoded() {
    let body = json!({
        "version": "0", "detail-type": "Object Created", "source": "aws.s3", "time": "2023-11-14T22:13:20Z",
        "detail": { "version": "0", "bucket": { "name": "photos" }, "reason": "PutObject",
            "object": { "key": "uploads/a+b%2B.jpg", "size": 5, "etag": "x", "version-id": "v1", "sequencer": "0A" } },
    });
    let expected = ObjectCreated {
        size: Some(5),
        version_id: Some("v1".to_owned()),
        sequencer: Sequencer::parse("0A"),
        at: Some(Timestamp::from_millis(1_700_000_000_000)),
        ..created("uploads/a+b%2B.jpg")
    };
    assert_eq!(parse(&body.to_string()), Ok(vec![Event::Created(expected.clone())]));

    let inside_sns = json!({ "Type": "Notification", "Message": body.to_string() });
    assert_eq!(parse(&inside_sns.to_string()), Ok(vec![Event::Created(expected)]));
}

#[test]
fn the_test_event_and_other_kinds_of_events_are_ignored() {
    let test_event =
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2023-11-14T22:13:20.120Z","Bucket":"photos"}"#;
    let removed = records(json!([record("ObjectRemoved:Delete", "a")]));
    let restored = json!({ "detail-type": "Object Restore Completed", "source": "aws.s3" }).to_string();
    let tagged = json!({ "detail-type": "Object Tags Added", "source": "aws.s3" }).to_string();
    let in_sns = json!({ "Type": "Notification", "Message": test_event }).to_string();
    for body in [test_event, &removed, &restored, &tagged, &in_sns] {
        assert!(matches!(parse(body).as_deref(), Ok([Event::Ignored(_)])), "{body}");
    }
}

#[test]
fn every_record_has_its_own_outcome_in_order() {
    let body = records(json!([
        record("ObjectCreated:Post", "one"),
        record("ObjectCreated:Put", "%FF"),
        record("ObjectRemoved:Delete", "three"),
        { "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": "photos" } } },
        "not a record",
        record("s3:ObjectCreated:CompleteMultipartUpload", "six"),
    ]));
    let events = parse(&body).unwrap();
    assert_eq!(events.len(), 6);
    assert_eq!(events[0], Event::Created(created("one")));
    assert_eq!(events[1], Event::Unreadable(ParseError("the key \"%FF\" is not UTF-8".to_owned())));
    assert!(matches!(events[2], Event::Ignored(_)));
    assert_eq!(events[3], Event::Unreadable(ParseError("a record with missing field `object`".to_owned())));
    assert_eq!(events[4], Event::Unreadable(ParseError("a record without \"eventName\"".to_owned())));
    assert_eq!(events[5], Event::Created(created("six")));
}

#[test]
fn every_minor_version_of_schema_2_is_read_and_no_other() {
    for (version, is_read) in
        [("2.0", true), ("2.1", true), ("2.99", true), ("2", true), ("3.0", false), ("20.1", false)]
    {
        let mut record = record("ObjectCreated:Copy", "cat");
        record["eventVersion"] = json!(version);
        let events = parse(&records(json!([record]))).unwrap();
        assert_eq!(matches!(events[..], [Event::Created(_)]), is_read, "{version}: {events:?}");
        assert_eq!(matches!(events[..], [Event::Unreadable(_)]), !is_read, "{version}: {events:?}");
    }
}

#[test]
fn a_missing_version_or_sequencer_is_none() {
    for object in [
        json!({ "key": "cat" }),
        json!({ "key": "cat", "versionId": "null", "sequencer": "" }),
        json!({ "key": "cat", "versionId": "", "sequencer": "not hexadecimal", "size": -1 }),
        json!({ "key": "cat", "versionId": null, "sequencer": null, "size": "many" }),
    ] {
        let record = json!({ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "yesterday",
            "s3": { "bucket": { "name": "photos" }, "object": object } });
        assert_eq!(parse(&records(json!([record]))), Ok(vec![Event::Created(created("cat"))]), "{object}");
    }
}

#[test]
fn what_is_no_event_says_why() {
    for (body, why) in [
        ("", "not JSON: EOF while parsing a value at line 1 column 0"),
        ("hello", "not JSON: expected value at line 1 column 1"),
        ("[]", "it has neither \"Records\" nor \"detail-type\", and is no test event"),
        ("{}", "it has neither \"Records\" nor \"detail-type\", and is no test event"),
        (r#"{"Records":[]}"#, "\"Records\" is empty"),
        (r#"{"Records":{}}"#, "\"Records\" is not a list"),
        (r#"{"Type":"Notification"}"#, "an SNS notification without \"Message\""),
        (r#"{"Type":"SubscriptionConfirmation"}"#, "an SNS message of type \"SubscriptionConfirmation\""),
        (r#"{"detail-type":"x","source":"aws.ec2"}"#, "an EventBridge event from \"aws.ec2\", not \"aws.s3\""),
        (r#"{"detail-type":"Object Created"}"#, "an EventBridge event with missing field `source`"),
    ] {
        assert_eq!(why_not(body), why, "{body}");
    }
    let nested =
        json!({ "Type": "Notification", "Message": json!({ "Type": "Notification", "Message": PUT }).to_string() });
    assert!(why_not(&nested.to_string()).starts_with("it has neither"));
}

/// One object of a notification from `source`.
fn read_from(source: Value, object: &Value) -> ObjectCreated {
    let place = json!({ "bucket": { "name": "photos" }, "object": object });
    let record = json!({ "eventSource": source, "eventName": "s3:ObjectCreated:Put", "s3": place });
    let events = parse(&records(json!([record]))).unwrap();
    let [Event::Created(created)] = &events[..] else { panic!("{events:?}") };
    created.clone()
}

#[test]
fn only_the_sequencers_of_s3_and_minio_count() {
    let object = json!({ "key": "cat", "sequencer": "17B2C3D4E5F60718" });
    for (source, counts) in
        [(json!("aws:s3"), true), (json!("minio:s3"), true), (json!("ceph:s3"), false), (json!(null), false)]
    {
        assert_eq!(read_from(source.clone(), &object).sequencer.is_some(), counts, "{source}");
    }
}

#[test]
fn only_the_versions_of_s3_itself_are_beyond_doubt() {
    let object = json!({ "key": "cat", "versionId": "1" });
    for (source, is_doubtful) in
        [(json!("aws:s3"), false), (json!("minio:s3"), true), (json!("ceph:s3"), true), (json!(null), true)]
    {
        assert_eq!(read_from(source.clone(), &object).doubts.is_version_doubtful, is_doubtful, "{source}");
    }
}

#[test]
fn a_key_that_decoding_changes_is_also_kept_as_it_is_written() {
    for (written, key) in
        [("a+b 100%.jpg", "a b 100%.jpg"), ("uploads%2Fcat.jpg", "uploads/cat.jpg"), ("käse%20.jpg", "käse .jpg")]
    {
        let created = read_from(json!("aws:s3"), &json!({ "key": written }));
        assert_eq!((&*created.key, created.doubts.raw_key.as_deref()), (key, Some(written)));
    }
    for written in ["uploads/cat.jpg", "100%.jpg", "käse.jpg"] {
        let created = read_from(json!("aws:s3"), &json!({ "key": written }));
        assert_eq!((&*created.key, created.doubts.raw_key), (written, None));
    }
}

#[test]
fn an_event_that_was_set_up_wrongly_says_how_to_set_it_up() {
    let by_cloudtrail = json!({ "eventVersion": "1.09", "eventSource": "s3.amazonaws.com", "eventName": "PutObject",
        "requestParameters": { "bucketName": "photos", "key": "uploads/cat" } });
    for detail_type in ["AWS API Call via CloudTrail", "AWS Service Event via CloudTrail", "Object Created ", ""] {
        let body = json!({ "detail-type": detail_type, "source": "aws.s3", "detail": by_cloudtrail });
        let why = why_not(&body.to_string());
        assert!(why.contains(&format!("{detail_type:?}, which S3 does not send: turn on EventBridge")), "{why}");
    }
    let detail = json!({ "version": "0", "bucket": { "name": "photos" }, "object": { "key": "uploads/cat" },
        "reason": "PutObject" });
    let why = why_not(&detail.to_string());
    assert!(
        why.starts_with("only the detail of an EventBridge event") && why.contains("without an input path"),
        "{why}"
    );

    let events = parse(&records(json!([by_cloudtrail]))).unwrap();
    let [Event::Unreadable(error)] = &events[..] else { panic!("{events:?}") };
    assert!(error.0.contains("CloudTrail") && error.0.contains("the bucket's notification"), "{error}");
}

#[test]
fn deep_json_is_an_error_and_no_crash() {
    assert!(why_not(&"[".repeat(100_000)).starts_with("not JSON: recursion limit exceeded"));
}

#[test]
fn a_forced_notification_says_so() {
    let forced = ObjectCreated { is_forced: true, ..created("cat") };
    let body = notification(&forced, "\"abc\"");
    assert!(body.contains(r#""darkroom":{"force":true}"#), "{body}");
    assert!(body.contains(r#""eTag":"abc""#), "{body}");
    assert_eq!(parse(&body), Ok(vec![Event::Created(forced)]));
}

prop_compose! {
    fn any_created()(
        bucket in "[a-z0-9.-]{3,63}",
        key in "\\PC{1,300}|(?s:.{1,40})",
        size in proptest::option::of(any::<u64>()),
        version_id in proptest::option::of("[A-Za-z0-9._]{5,32}"),
        sequencer in proptest::option::of("[0-9a-fA-F]{1,64}"),
        millis in proptest::option::of(0..4_000_000_000_000_i64),
        is_forced in any::<bool>(),
    ) -> ObjectCreated {
        ObjectCreated {
            bucket, key, size, version_id, is_forced, doubts: Doubts::default(),
            sequencer: sequencer.as_deref().and_then(Sequencer::parse),
            at: millis.map(Timestamp::from_millis),
        }
    }
}

/// JSON with the field names of events, in wrong places.
fn any_json() -> impl Strategy<Value = Value> {
    let field = prop_oneof![
        proptest::sample::select(vec![
            "Records",
            "eventName",
            "eventVersion",
            "s3",
            "bucket",
            "object",
            "key",
            "name",
            "Type",
            "Message",
            "detail-type",
            "source",
            "detail",
            "Event",
        ])
        .prop_map(str::to_owned),
        ".{0,4}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        proptest::sample::select(vec!["ObjectCreated:Put", "Notification", "aws.s3", "Object Created", "%", "%C3"])
            .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::btree_map(field.clone(), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(created in any_created(), etag in "[0-9a-f]{0,32}") {
        prop_assert_eq!(parse(&notification(&created, &etag)), Ok(vec![Event::Created(created)]));
    }

    #[test]
    fn arbitrary_text_never_panics(body in "(?s:.{0,200})") {
        let _ = parse(&body);
    }

    #[test]
    fn arbitrary_json_never_panics(body in any_json()) {
        let _ = parse(&body.to_string());
        let records = json!([body.clone(), { "eventName": "ObjectCreated:Put", "s3": body }]);
        let _ = parse(&json!({ "Records": records }).to_string());
    }
}
