//! Outcome notifications on AWS: table, stream, pipe and topic, connected as in terraform/outcomes.tf.
//!
//! The emulator's pipe ignores filters and forwards every record of the stream, so this test filters the records
//! itself. A test of terraform/ (`outcomes_are_told`) checks that the filter names the three verdicts.

use std::collections::BTreeMap;
use std::time::Duration;

use darkroom::backends::aws::{S3Store, SqsQueue};
use darkroom::ports::{ObjectStore as _, Queue as _};
use serde_json::{Value, json};

use super::account::{ministack, variable};
use super::deployment::{Deployment, PREFIX, Plan};
use crate::process;
use crate::{examples, images};

/// Connects the table to a subscriber's queue; prints the queue's URL.
const JOIN: &str = r#"
import json, os
import boto3

def client(name):
    return boto3.client(name, endpoint_url=os.environ["AWS_ENDPOINT_URL"])

table = os.environ["DARKROOM_TABLE"]
stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
client("dynamodb").update_table(TableName=table, StreamSpecification=stream)
source = client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
topic = client("sns").create_topic(Name=table)["TopicArn"]
queue = client("sqs").create_queue(QueueName=table + "-outcomes")["QueueUrl"]
arn = client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
raw = {"RawMessageDelivery": "true"}
client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)
role = "arn:aws:iam::000000000000:role/pipe"
start = {"DynamoDBStreamParameters": {"StartingPosition": "TRIM_HORIZON"}}
client("pipes").create_pipe(Name=table, RoleArn=role, Source=source, Target=topic, SourceParameters=start)
print(queue)
"#;

#[tokio::test]
async fn each_verdict_reaches_the_topic_with_its_thumbnails() {
    let (Some(endpoint), Some(boto3)) = (ministack(), variable("DARKROOM_TEST_MOTO")) else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let joined = deployment.python(&boto3, JOIN).output().await.unwrap();
    assert!(joined.status.success(), "{joined:?}");
    let url = String::from_utf8(joined.stdout).unwrap().trim().to_owned();
    let subscriber = SqsQueue::new(deployment.account.clients.sqs.clone(), url);

    deployment.put("cat", &images::jpeg(800, 600)).await;
    deployment.put("text", b"a text").await;
    deployment.put("gone", &images::jpeg(64, 48)).await;
    let store = S3Store::new(deployment.account.clients.s3.clone(), deployment.bucket.clone());
    store.delete(&format!("{PREFIX}gone")).await.unwrap();
    let worker = deployment.start("worker", &[]).await;

    let mut images: BTreeMap<String, Value> = BTreeMap::new();
    process::until("all three are sent", async || {
        for message in subscriber.receive(10, Duration::from_secs(1), Duration::from_secs(60)).await.unwrap() {
            let record: Value = serde_json::from_str(&message.body).unwrap();
            let image = record["dynamodb"]["NewImage"].clone();
            if ["published", "invalid_content_type", "failed"].iter().any(|status| image["status"]["S"] == *status) {
                images.insert(image["id"]["S"].as_str().unwrap().to_owned(), image);
            }
        }
        images.len() == 3
    })
    .await;
    assert_eq!(images["cat"]["status"]["S"], "published");
    assert_eq!(images["cat"]["key"]["S"], format!("{PREFIX}cat"));
    let thumbnails = images["cat"]["published"]["M"]["thumbnails"]["L"].as_array().unwrap();
    let sizes: Vec<&Value> = thumbnails.iter().map(|thumbnail| &thumbnail["M"]["size"]["S"]).collect();
    assert_eq!(sizes, ["small", "medium", "large"]);
    assert_eq!(images["text"]["reason"]["S"], "unsupported_type");
    assert_eq!(
        (&images["gone"]["status"]["S"], &images["gone"]["reason"]["S"]),
        (&"failed".into(), &"source_missing".into())
    );
    a_subscriber_reads_verdicts_as_outcomes_says(&deployment, &boto3, &images).await;
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    worker.stop().await;
}

/// Runs the document's example on the topic's messages.
async fn a_subscriber_reads_verdicts_as_outcomes_says(
    deployment: &Deployment,
    boto3: &str,
    images: &BTreeMap<String, Value>,
) {
    let example = examples::text_of("docs/OUTCOMES.md", "On AWS", "python");
    for (id, key, status, reason, thumbnails) in [
        ("cat", "uploads/cat", "published", Value::Null, 3),
        ("text", "uploads/text", "invalid_content_type", "unsupported_type".into(), 0),
        ("gone", "uploads/gone", "failed", "source_missing".into(), 0),
    ] {
        let message = json!({"dynamodb": {"NewImage": images[id]}}).to_string();
        let program = format!(
            "{example}\nimport json, os\n\
             print(json.dumps(verdict(json.loads(os.environ['MESSAGE'])), default=int))"
        );
        let read = deployment.python(boto3, &program).env("MESSAGE", message).output().await.unwrap();
        assert!(read.status.success(), "{read:?}");
        let read: Value = serde_json::from_slice(&read.stdout).unwrap();
        assert_eq!(read.as_array().unwrap()[..4], [id.into(), key.into(), status.into(), reason], "{read}");
        assert_eq!((read[4].is_u64(), read[5].as_array().unwrap().len()), (true, thumbnails), "{read}");
    }
}
