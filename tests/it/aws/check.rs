//! `darkroom check` over AWS's protocol: which checks pass, and which missing permission it names.

use std::process::Output;

use darkroom::ports::Queue as _;
use serde_json::json;

use super::account::ministack;
use super::deployment::{Deployment, Plan};
use super::faults::Microburst;

/// A service, the operation that is denied, the role that needs it, and the permission that allows it.
const PERMISSIONS: [(&str, &str, &str, &str); 31] = [
    ("sqs", "GetQueueAttributes", "worker", "sqs:GetQueueAttributes"),
    ("sqs", "ReceiveMessage", "worker", "sqs:ReceiveMessage"),
    ("sqs", "ChangeMessageVisibilityBatch", "worker", "sqs:ChangeMessageVisibility"),
    ("sqs", "DeleteMessageBatch", "worker", "sqs:DeleteMessage"),
    ("s3", "ListObjectsV2", "worker", "s3:ListBucket"),
    ("s3", "GetObject", "worker", "s3:GetObject, s3:GetObjectVersion"),
    ("s3", "PutObject", "worker", "s3:PutObject"),
    ("dynamodb", "UpdateItem", "worker", "dynamodb:UpdateItem"),
    ("dynamodb", "GetItem", "worker", "dynamodb:GetItem"),
    ("s3", "PutObject", "api", "s3:PutObject"),
    ("s3", "GetObject", "api", "s3:GetObject"),
    ("dynamodb", "PutItem", "api", "dynamodb:PutItem"),
    ("sqs", "GetQueueAttributes", "operator", "sqs:GetQueueAttributes"),
    ("sqs", "ReceiveMessage", "operator", "sqs:ReceiveMessage"),
    ("sqs", "ChangeMessageVisibilityBatch", "operator", "sqs:ChangeMessageVisibility"),
    ("sqs", "DeleteMessageBatch", "operator", "sqs:DeleteMessage"),
    ("sqs", "SendMessage", "operator", "sqs:SendMessage"),
    ("dynamodb", "GetItem", "operator", "dynamodb:GetItem"),
    ("sqs", "SendMessage", "sweep", "sqs:SendMessage"),
    ("sqs", "ReceiveMessage", "sweep", "sqs:ReceiveMessage"),
    ("dynamodb", "Scan", "sweep", "dynamodb:Scan"),
    ("dynamodb", "DeleteItem", "sweep", "dynamodb:DeleteItem"),
    ("dynamodb", "UpdateItem", "sweep", "dynamodb:UpdateItem"),
    ("s3", "GetObject", "sweep", "s3:GetObject"),
    ("s3", "ListObjectsV2", "sweep", "s3:ListBucket, s3:ListBucket"),
    ("s3", "ListObjectVersions", "sweep", "s3:ListBucketVersions"),
    ("s3", "DeleteObject", "sweep", "s3:DeleteObject, s3:DeleteObjectVersion"),
    ("sqs", "SendMessage", "backfill", "sqs:SendMessage"),
    ("s3", "ListObjectsV2", "backfill", "s3:ListBucket"),
    ("dynamodb", "GetItem", "backfill", "dynamodb:GetItem"),
    ("dynamodb", "Scan", "images", "dynamodb:Scan"),
];

const ROLES: [&str; 6] = ["worker", "api", "operator", "sweep", "backfill", "images"];

#[tokio::test]
async fn check_reports_what_works_and_names_the_missing_permission() {
    let Some(endpoint) = ministack() else { return };
    let Some(proxy) = Microburst::start(&endpoint).await else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let check = async |role: &str| -> Output {
        let settings = [("AWS_ENDPOINT_URL", proxy.endpoint())];
        deployment.command(&["check", "--role", role], &settings).output().await.unwrap()
    };
    for role in ROLES {
        let allowed = check(role).await;
        assert!(allowed.status.success(), "{role}: {allowed:?}");
        let table = String::from_utf8_lossy(&allowed.stdout);
        assert!(!table.contains("FAILED") && !table.contains("not checked"), "{role}: {table}");
        assert_eq!(table.contains(" -> "), role != "images", "{role}: {table}");
    }
    let depth = deployment.queue.attributes().await.unwrap();
    // The queue holds only S3's own test event.
    assert_eq!((depth.visible + depth.in_flight, depth.delayed), (1, 0), "a check sends nothing");
    for (service, operation, role, permission) in PERMISSIONS {
        let code = if service == "s3" { "AccessDenied" } else { "AccessDeniedException" };
        let denied = json!({"service": service, "operation": operation, "error": {"code": code, "status": 403}});
        proxy.set(&[denied]).await;
        let found = check(role).await;
        let table = String::from_utf8_lossy(&found.stdout);
        assert_eq!(found.status.code(), Some(1), "{operation}: {table}");
        let missing = table.lines().find_map(|line| line.strip_prefix("not working: "));
        // The check reads the dead-letter queue's attributes too, so the list can name the same permission twice.
        let missing = missing.unwrap_or_default().trim_end_matches(", sqs:GetQueueAttributes");
        assert_eq!(missing, permission, "{role} without {operation}: {table}");
    }
}

/// Runs `darkroom check`; returns its line about the notification, and its exit code.
async fn notification(deployment: &Deployment, settings: &[(&str, &str)]) -> (String, Option<i32>) {
    let output = deployment.command(&["check", "--role", "backfill"], settings).output().await.unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let line = table.lines().find(|line| line.starts_with("notification ")).unwrap_or_default();
    (line.rsplit_once("  ").unwrap().1.to_owned(), output.status.code())
}

#[tokio::test]
async fn check_says_whether_uploads_reach_this_queue() {
    let Some(endpoint) = ministack() else { return };
    let Some(proxy) = Microburst::start(&endpoint).await else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    assert_eq!(notification(&deployment, &[]).await, ("ok".to_owned(), Some(0)));
    let (found, code) = notification(&deployment, &[("DARKROOM_UPLOAD_PREFIX", "images/")]).await;
    assert_eq!(code, Some(1), "{found}");
    assert!(found.contains("the notification is for \"uploads/\""), "{found}");
    let [queue, elsewhere] = ["DARKROOM_QUEUE_URL", "DARKROOM_DLQ_URL"].map(|name| deployment.setting(name).to_owned());
    let swapped = [("DARKROOM_QUEUE_URL", &*elsewhere), ("DARKROOM_DLQ_URL", &*queue)];
    let (found, code) = notification(&deployment, &swapped).await;
    assert_eq!(code, Some(1), "{found}");
    assert!(found.contains("the bucket sends upload events to ") && found.contains(", not to arn:aws:sqs:"), "{found}");
    let quiet = Deployment::new(&endpoint, Plan { is_quiet: true, ..Plan::default() }).await;
    let (found, code) = notification(&quiet, &[]).await;
    assert_eq!(code, Some(1), "{found}");
    assert!(found.contains("the bucket sends upload events to no queue"), "{found}");

    // The same request has two names.
    let denied = ["GetBucketNotification", "GetBucketNotificationConfiguration"].map(
        |operation| json!({"service": "s3", "operation": operation, "error": {"code": "AccessDenied", "status": 403}}),
    );
    proxy.set(&denied).await;
    let settings = [("AWS_ENDPOINT_URL", proxy.endpoint())];
    let (found, code) = notification(&deployment, &settings).await;
    assert_eq!((&*found, code), ("this user may not read it: s3:GetBucketNotification", Some(0)));
}

#[tokio::test]
async fn check_says_whether_the_dead_letter_queue_is_the_queues_own() {
    let Some(endpoint) = ministack() else { return };
    let [deployment, other] =
        [Deployment::new(&endpoint, Plan::default()).await, Deployment::new(&endpoint, Plan::default()).await];
    let elsewhere = [("DARKROOM_DLQ_URL", other.setting("DARKROOM_DLQ_URL"))];
    for role in ["worker", "operator", "sweep"] {
        let output = deployment.command(&["check", "--role", role], &elsewhere).output().await.unwrap();
        let table = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{role}: {table}");
        let line = table.lines().find(|line| line.starts_with("redrive policy")).unwrap();
        assert!(line.ends_with("-dlq, and DARKROOM_DLQ_URL is another queue"), "{line}");
        assert!(table.ends_with("not working: redrive policy\n"), "{role}: {table}");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_named_and_not_called_denied() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let nowhere = format!("{}-nowhere", deployment.setting("DARKROOM_QUEUE_URL"));
    for (role, variable, value, says) in [
        ("worker", "DARKROOM_UPLOAD_BUCKET", "no-such-bucket", "objects.list: no such bucket: no-such-bucket\n"),
        ("worker", "DARKROOM_QUEUE_URL", &*nowhere, &*format!("queue.receive: no such queue: {nowhere}\n")),
        ("images", "DARKROOM_TABLE", "no-table", "catalog.scan: no such table: no-table\n"),
    ] {
        let output = deployment.command(&["check", "--role", role], &[(variable, value)]).output().await.unwrap();
        let table = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{table}");
        assert!(table.contains(says), "{says:?}: {table}");
        assert!(!["denied", "Error {", "unhandled"].iter().any(|word| table.contains(word)), "{table}");
    }
    for (arguments, variable, value, says) in [
        (&["dlq", "list"][..], "DARKROOM_DLQ_URL", &*nowhere, &*format!("queue.receive: no such queue: {nowhere}\n")),
        (&["images", "list"], "DARKROOM_TABLE", "no-table", "catalog.scan: no such table: no-table\n"),
    ] {
        let output = deployment.command(arguments, &[(variable, value)]).output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), format!("darkroom: {says}"));
    }
}

#[tokio::test]
async fn missing_credentials_and_a_dead_endpoint_take_one_short_line() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let nobody = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("HOME", "/nonexistent"),
    ];
    let dead = [("AWS_ENDPOINT_URL", "http://127.0.0.1:1")];
    for (settings, says) in [
        (&nobody[..], "catalog.scan: denied: no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (&dead, "catalog.scan: unavailable: no connection: "),
    ] {
        let output = deployment.command(&["images", "list"], settings).output().await.unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.starts_with(&format!("darkroom: {says}")), "{error}");
        assert!(error.lines().count() == 1 && error.len() < 250, "{error}");
    }
}

/// A service that takes connections and never answers: each call of the check ends by its own limit.
#[tokio::test]
async fn a_check_of_services_that_never_answer_ends() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            connections.push(connection);
        }
    });
    {
        let role = "images";
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_darkroom"));
        command.args(["check", "--role", role]).env_clear().kill_on_drop(true);
        command.env("AWS_ENDPOINT_URL", &endpoint).env("AWS_REGION", "us-east-1");
        command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret");
        command.env("DARKROOM_UPLOAD_BUCKET", "photos").env("DARKROOM_TABLE", "images");
        let ended = tokio::time::timeout(std::time::Duration::from_secs(120), command.output()).await;
        let output = ended.unwrap_or_else(|_| panic!("the check of {role} did not end")).unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
    }
}
