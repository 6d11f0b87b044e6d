//! `darkroom check` against the protocol: what works, and the name of the permission that is missing.

use std::process::Output;

use serde_json::json;

use super::account::ministack;
use super::deployment::{Deployment, Plan};
use super::faults::Microburst;

/// A service, the operation that is denied, the role that needs it, and the permission that lets it through.
const PERMISSIONS: [(&str, &str, &str, &str); 12] = [
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
];

#[tokio::test]
async fn check_tells_what_works_and_names_the_permission_that_is_missing() {
    let Some(endpoint) = ministack() else { return };
    let Some(proxy) = Microburst::start(&endpoint).await else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let check = async |role: &str| -> Output {
        let settings = [("AWS_ENDPOINT_URL", proxy.endpoint())];
        deployment.command(&["check", "--role", role], &settings).output().await.unwrap()
    };
    for role in ["worker", "api"] {
        let allowed = check(role).await;
        assert!(allowed.status.success(), "{role}: {allowed:?}");
        assert!(!String::from_utf8_lossy(&allowed.stdout).contains("FAILED"), "{role}: {allowed:?}");
    }
    for (service, operation, role, permission) in PERMISSIONS {
        let code = if service == "s3" { "AccessDenied" } else { "AccessDeniedException" };
        let denied = json!({"service": service, "operation": operation, "error": {"code": code, "status": 403}});
        proxy.set(&[denied]).await;
        let found = check(role).await;
        let table = String::from_utf8_lossy(&found.stdout);
        assert_eq!(found.status.code(), Some(1), "{operation}: {table}");
        let missing = table.lines().find_map(|line| line.strip_prefix("not working: "));
        // Where a queue's attributes are asked for twice, the dead letters' are missing, too.
        let missing = missing.unwrap_or_default().trim_end_matches(", sqs:GetQueueAttributes");
        assert_eq!(missing, permission, "{role} without {operation}: {table}");
    }
}
