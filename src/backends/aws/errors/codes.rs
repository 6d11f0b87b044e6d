//! The error codes of SQS, S3, DynamoDB and KMS, by what the caller can do about them.

use crate::ports::ErrorKind;

/// Codes of throttling.
const THROTTLED: &[&str] = &[
    "BandwidthLimitExceeded",
    "LimitExceededException",
    // SQS: more messages in flight than a queue may have (120,000).
    "OverLimit",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Codes of transient failures, whatever their status.
const UNAVAILABLE: &[&str] = &[
    "ConditionalRequestConflict",
    "IncompleteBody",
    "InternalError",
    "InternalFailure",
    "InternalServerError",
    // DynamoDB: the endpoint moved, and the next call asks for it.
    "InvalidEndpointException",
    "OperationAborted",
    "ReplicatedWriteConflictException",
    "RequestAbortedException",
    "RequestTimeout",
    "RequestTimeoutException",
    "ServiceUnavailable",
    "TransactionConflictException",
];

/// Codes that require an operator: permissions, credentials, and missing resources.
///
/// A missing bucket, queue or table must not be reported as a missing object, since the caller would drop its work.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "AccountProblem",
    "AllAccessDisabled",
    "AuthorizationHeaderMalformed",
    "ExpiredToken",
    "ExpiredTokenException",
    "IllegalLocationConstraintException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidAccessKeyId",
    "InvalidAddress",
    "InvalidBucketName",
    "InvalidClientTokenId",
    "InvalidSecurity",
    "InvalidToken",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "NoSuchBucket",
    "NonExistentQueue",
    "NotAuthorized",
    "NotSignedUp",
    "OptInRequired",
    "PermanentRedirect",
    "QueueDoesNotExist",
    "Redirect",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "ResourceNotFoundException",
    "SignatureDoesNotMatch",
    "TemporaryRedirect",
    "TokenRefreshRequired",
    "UnrecognizedClientException",
];

/// Codes of requests that darkroom must not send.
const INVALID: &[&str] = &[
    "BatchEntryIdsNotDistinct",
    "BatchRequestTooLong",
    "EmptyBatchRequest",
    "EncryptionTypeMismatch",
    "InvalidAttributeName",
    "InvalidBatchEntryId",
    "InvalidMessageContents",
    "InvalidRequest",
    "InvalidWriteOffset",
    "ItemCollectionSizeLimitExceededException",
    "TooManyEntriesInBatchRequest",
    "TooManyParts",
    "UnsupportedOperation",
    "ValidationException",
];

/// The kind of an error code; `None` for a code in no list, and for `InvalidParameterValue`, which has several
/// meanings.
pub(super) fn kind_of_code(code: &str) -> Option<ErrorKind> {
    if let Some(error) = kms_error(code) {
        return Some(kind_of_kms(error));
    }
    let kind = match unqualified(code) {
        "NoSuchKey" | "NoSuchVersion" | "NotFound" => ErrorKind::NotFound,
        "ConditionalCheckFailedException" | "PreconditionFailed" => ErrorKind::Precondition,
        "ReceiptHandleIsInvalid" | "MessageNotInflight" | "InvalidIdFormat" => ErrorKind::LeaseLost,
        // https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html#API_GetObject_Errors
        "InvalidObjectState" => ErrorKind::Archived,
        "BadDigest" | "InvalidDigest" | "XAmzContentSHA256Mismatch" => ErrorKind::Damaged,
        code if THROTTLED.contains(&code) => ErrorKind::Throttled,
        code if UNAVAILABLE.contains(&code) => ErrorKind::Unavailable,
        code if DENIED.contains(&code) => ErrorKind::Denied,
        code if INVALID.contains(&code) => ErrorKind::Invalid,
        _ => return None,
    };
    Some(kind)
}

/// The missing resource that an error code reports.
pub(super) fn missing_resource(code: &str) -> Option<&'static str> {
    match unqualified(code) {
        "NoSuchBucket" => Some("no such bucket"),
        "QueueDoesNotExist" | "NonExistentQueue" => Some("no such queue"),
        "ResourceNotFoundException" => Some("no such table"),
        _ => None,
    }
}

/// Whether an error code reports a KMS key that cannot be used.
pub(super) fn is_unusable_key(code: &str) -> bool {
    kms_error(code).is_some_and(|error| kind_of_kms(error) == ErrorKind::Denied)
}

/// An error code without its namespace.
pub(super) fn unqualified(code: &str) -> &str {
    code.rsplit(['.', '#']).next().unwrap_or(code)
}

/// The name of a KMS error that S3, SQS or DynamoDB passes on. S3 writes `KMS.` before it, SQS `KMS.` or `Kms`.
fn kms_error(code: &str) -> Option<&str> {
    let name = unqualified(code);
    let is_passed_on = code.strip_suffix(name).is_some_and(|namespace| namespace.ends_with("KMS."));
    if is_passed_on { Some(name) } else { name.strip_prefix("KMS").or_else(|| name.strip_prefix("Kms")) }
}

/// A key that is disabled, deleted, scheduled for deletion or denied needs an operator; so does any error that is not
/// transient: <https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors>.
fn kind_of_kms(error: &str) -> ErrorKind {
    let is = |words: &[&str]| words.iter().any(|word| error.contains(word));
    if is(&["Throttl", "LimitExceeded"]) {
        ErrorKind::Throttled
    } else if is(&["DependencyTimeout", "Internal", "KeyUnavailable"]) {
        ErrorKind::Unavailable
    } else {
        ErrorKind::Denied
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::*;

    #[test]
    fn an_unusable_key_is_denied_and_a_busy_one_is_not() {
        for (code, kind) in [
            ("KMS.DisabledException", ErrorKind::Denied),
            ("KMS.KMSInvalidStateException", ErrorKind::Denied),
            ("KMS.InvalidStateException", ErrorKind::Denied),
            ("KMS.NotFoundException", ErrorKind::Denied),
            ("KMS.InvalidKeyUsageException", ErrorKind::Denied),
            ("KMS.AccessDeniedException", ErrorKind::Denied),
            ("KMS.OptInRequired", ErrorKind::Denied),
            ("KMS.SomethingNew", ErrorKind::Denied),
            ("com.amazonaws.sqs#KmsInvalidState", ErrorKind::Denied),
            ("KmsNotFound", ErrorKind::Denied),
            ("KMS.ThrottlingException", ErrorKind::Throttled),
            ("KMS.LimitExceededException", ErrorKind::Throttled),
            ("com.amazonaws.sqs#KmsThrottled", ErrorKind::Throttled),
            ("KMS.KMSInternalException", ErrorKind::Unavailable),
            ("KMS.DependencyTimeoutException", ErrorKind::Unavailable),
            ("KMS.KeyUnavailableException", ErrorKind::Unavailable),
        ] {
            assert_eq!(kind_of_code(code), Some(kind), "{code}");
            assert_eq!(is_unusable_key(code), kind == ErrorKind::Denied, "{code}");
        }
        for code in ["AccessDenied", "NoSuchKey", "ThrottlingException"] {
            assert!(!is_unusable_key(code), "{code}");
        }
    }

    /// The platform that the compiler runs on.
    fn host() -> String {
        let rustc = Command::new("rustc").arg("-vV").output().unwrap();
        let printed = String::from_utf8(rustc.stdout).unwrap();
        printed.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
    }

    /// The sources of an SDK crate, in cargo's registry.
    fn sources(metadata: &serde_json::Value, name: &str) -> PathBuf {
        let mut packages = metadata["packages"].as_array().unwrap().iter();
        let package = packages.find(|package| package["name"] == name).unwrap();
        Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("src")
    }

    /// The text of every file of this backend.
    fn backend(folder: &Path) -> String {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { backend(&path) } else { fs::read_to_string(path).unwrap() }).collect()
    }

    /// The errors that the model of an operation declares: the shapes, and the codes by which the SDK recognises them.
    fn declared(sources: &Path, operation: &str) -> BTreeSet<String> {
        let shapes = fs::read_to_string(sources.join(format!("operation/{operation}.rs"))).unwrap();
        let shapes = shapes.lines().skip_while(|line| !(line.starts_with("pub enum ") && line.ends_with("Error {")));
        let shapes = shapes.take_while(|line| *line != "}");
        let shapes = shapes.filter_map(|line| Some(line.trim().split_once("(crate::types::error::")?.0.to_owned()));
        let codes = fs::read_to_string(sources.join(format!("protocol_serde/shape_{operation}.rs"))).unwrap();
        let codes = codes.lines().skip_while(|line| !line.contains("match error_code {"));
        let codes = codes.take_while(|line| !line.trim_start().starts_with("_ => "));
        let codes = codes.filter_map(|line| Some(line.trim().strip_prefix('"')?.split_once("\" => ")?.0.to_owned()));
        shapes.chain(codes).collect()
    }

    #[test]
    fn every_error_that_a_called_operation_declares_has_a_kind() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut metadata = Command::new(cargo);
        // Only this platform's crates are sure to be in the registry.
        let platform = format!("--filter-platform={}", host());
        metadata.args(["metadata", "--format-version=1", "--offline", &platform]).current_dir(root);
        let metadata = serde_json::from_slice(&metadata.output().unwrap().stdout).unwrap();
        let calls = backend(&root.join("src/backends/aws"));
        let mut found = BTreeMap::new();
        for service in ["aws-sdk-s3", "aws-sdk-sqs", "aws-sdk-dynamodb"] {
            let sources = sources(&metadata, service);
            for entry in fs::read_dir(sources.join("operation")).unwrap() {
                let path = entry.unwrap().path();
                let operation = path.file_stem().unwrap().to_str().unwrap().to_owned();
                if path.is_file() && calls.contains(&format!(".{operation}()")) {
                    found.insert(operation.clone(), declared(&sources, &operation));
                }
            }
        }
        for (operation, code) in [
            ("get_object", "InvalidObjectState"),
            ("put_object", "InvalidRequest"),
            ("receive_message", "KmsNotFound"),
            ("receive_message", "KMS.NotFoundException"),
            ("delete_message_batch", "AWS.SimpleQueueService.NonExistentQueue"),
            ("update_item", "ProvisionedThroughputExceededException"),
        ] {
            assert!(found[operation].contains(code), "the model of {operation} was not read: {:?}", found[operation]);
        }
        for (operation, codes) in found {
            let unknown: Vec<_> = codes.iter().filter(|code| kind_of_code(code).is_none()).collect();
            assert!(unknown.is_empty(), "{operation} can answer {unknown:?}, which are in no list");
        }
    }
}
