//! An AWS account for buckets, queues and tables: an emulator's, or a real one.

use std::env;
use std::sync::Mutex;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::client::Waiters as _;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType as Scalar,
};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use aws_sdk_sqs::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_sqs::types::QueueAttributeName;
use darkroom::backends::aws::{Clients, S3Store};
use darkroom::ports::ObjectStore as _;
use darkroom::record::ImageId;
use std::time::Duration;

use crate::skip::skip;

/// The credentials that emulators accept.
pub(crate) const KEY: &str = "test";
pub(crate) const REGION: &str = "us-east-1";

/// An account, and the resources that the test created in it.
pub(crate) struct Account {
    pub(crate) clients: Clients,
    /// Whether its buckets can keep versions.
    pub(crate) keeps_versions: bool,
    made: Mutex<Vec<Made>>,
}

#[derive(Clone)]
enum Made {
    Bucket(String),
    Queue(String),
    Table(String),
}

/// The endpoint of the MiniStack that the test command started. Without one the test reports that it is skipped, and
/// fails in CI.
pub(crate) fn ministack() -> Option<String> {
    variable("DARKROOM_TEST_MINISTACK")
}

/// A variable that `scripts/with-emulators` sets.
pub(crate) fn variable(name: &str) -> Option<String> {
    let value = env::var(name).ok();
    if value.is_none() {
        skip(&format!("{name} is not set; `make test` sets it"));
    }
    value
}

impl Account {
    /// AWS itself if requested, otherwise MiniStack if it runs.
    pub(crate) async fn for_contracts() -> Option<Self> {
        if env::var("DARKROOM_TEST_AWS").as_deref() == Ok("1") {
            let clients = Clients::load().await.unwrap();
            return Some(Self { clients, keeps_versions: true, made: Mutex::default() });
        }
        ministack().map(|endpoint| Self::at(&endpoint))
    }

    /// An emulator's account.
    pub(crate) fn at(endpoint: &str) -> Self {
        let credentials = Credentials::new(KEY, KEY, None, None, "tests");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(endpoint)
            .build();
        Self { clients: Clients::from_config(&config), keeps_versions: true, made: Mutex::default() }
    }

    fn note(&self, made: Made) {
        self.made.lock().unwrap().push(made);
    }

    pub(crate) async fn bucket(&self, keeps_versions: bool) -> String {
        let (s3, name) = (&self.clients.s3, name());
        let region = s3.config().region().map(ToString::to_string).unwrap_or_default();
        let mut create = s3.create_bucket().bucket(&name);
        if region != "us-east-1" {
            let location = aws_sdk_s3::types::CreateBucketConfiguration::builder();
            create = create.create_bucket_configuration(location.location_constraint(region.as_str().into()).build());
        }
        create.send().await.unwrap();
        self.note(Made::Bucket(name.clone()));
        if keeps_versions && self.keeps_versions {
            let versions = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
            s3.put_bucket_versioning().bucket(&name).versioning_configuration(versions).send().await.unwrap();
        }
        name
    }

    /// Creates a queue and its dead-letter queue; returns their URLs.
    pub(crate) async fn queue(&self, max_receives: u32) -> (String, String) {
        let (sqs, name) = (&self.clients.sqs, name());
        let dead = sqs.create_queue().queue_name(format!("{name}-dlq")).send().await.unwrap().queue_url.unwrap();
        self.note(Made::Queue(dead.clone()));
        let arn = self.queue_arn(&dead).await;
        let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":{max_receives}}}"#);
        let queue = sqs.create_queue().queue_name(name).attributes(QueueAttributeName::RedrivePolicy, policy);
        let queue = queue.send().await.unwrap().queue_url.unwrap();
        self.note(Made::Queue(queue.clone()));
        (queue, dead)
    }

    pub(crate) async fn queue_arn(&self, url: &str) -> String {
        let arn = QueueAttributeName::QueueArn;
        let asked = self.clients.sqs.get_queue_attributes().queue_url(url).attribute_names(arn.clone());
        asked.send().await.unwrap().attributes.unwrap()[&arn].clone()
    }

    /// Creates a table with the hash key `id`.
    pub(crate) async fn table(&self) -> String {
        let (dynamodb, name) = (&self.clients.dynamodb, name());
        let id = AttributeDefinition::builder().attribute_name("id").attribute_type(Scalar::S).build().unwrap();
        let hash = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().unwrap();
        let create = dynamodb.create_table().table_name(&name).attribute_definitions(id).key_schema(hash);
        create.billing_mode(BillingMode::PayPerRequest).send().await.unwrap();
        self.note(Made::Table(name.clone()));
        dynamodb.wait_until_table_exists().table_name(&name).wait(Duration::from_secs(60)).await.unwrap();
        name
    }

    /// Removes everything that this account created.
    pub(crate) async fn remove_all(&self) {
        let made = std::mem::take(&mut *self.made.lock().unwrap());
        for made in made {
            match made {
                Made::Queue(url) => drop(self.clients.sqs.delete_queue().queue_url(url).send().await.unwrap()),
                Made::Table(name) => drop(self.clients.dynamodb.delete_table().table_name(name).send().await.unwrap()),
                Made::Bucket(name) => self.remove_bucket(name).await,
            }
        }
    }

    async fn remove_bucket(&self, name: String) {
        let s3 = &self.clients.s3;
        let store = S3Store::new(s3.clone(), name.clone());
        while let Some(object) = store.list("", None).await.unwrap().first() {
            store.delete(&object.key).await.unwrap();
        }
        if self.keeps_versions {
            // Version listings also show keys that have only a delete marker; object listings do not.
            let versions = s3.list_object_versions().bucket(&name).send().await.unwrap();
            for marker in versions.delete_markers() {
                store.delete(marker.key().unwrap()).await.unwrap();
            }
        }
        s3.delete_bucket().bucket(name).send().await.unwrap();
    }
}

/// A unique name.
fn name() -> String {
    format!("darkroom-test-{}", ImageId::random().unwrap())
}
