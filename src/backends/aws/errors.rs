//! Classifies every error of SQS, S3 and DynamoDB by what the caller can do about it.

mod codes;
mod text;

use std::error::Error;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use crate::ports::{ErrorKind, Operation, PortError};

/// Converts a failed SDK call to the port's error, with the service's message.
pub(super) fn port_error<E>(operation: Operation, error: &SdkError<E>) -> PortError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    port_error_of_kind(kind(error), operation, error)
}

/// [`port_error`] with a kind that the caller has determined.
pub(super) fn port_error_of_kind<E>(kind: ErrorKind, operation: Operation, error: &SdkError<E>) -> PortError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code).unwrap_or_default();
    let port_error = PortError::with_source(kind, operation, text::of(error));
    match codes::missing_resource(code) {
        Some(missing) => port_error.of_missing(missing),
        None if codes::is_unusable_key(code) => port_error.of_key(),
        None => port_error,
    }
}

/// The port's error with advice after the service's message.
pub(super) fn port_error_with_advice<E>(operation: Operation, error: &SdkError<E>, advice: &str) -> PortError
where
    E: ProvideErrorMetadata + Error + 'static,
{
    PortError::with_source(ErrorKind::Denied, operation, format!("{}: {advice}", text::of(error)))
}

/// The error of one failed entry in an SQS batch whose call succeeded.
pub(super) fn entry_error(operation: Operation, code: &str, message: Option<&str>, is_ours: bool) -> PortError {
    let status = if is_ours { 400 } else { 500 };
    let text = text::of_answer(status, Some(code), message);
    PortError::with_source(kind_of(status, Some(code), message), operation, text)
}

/// Classifies a failed SDK call by what the caller can do about it.
pub(super) fn kind<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E>) -> ErrorKind {
    match error {
        SdkError::ServiceError(service) => {
            kind_of(service.raw().status().as_u16(), service.err().code(), service.err().message())
        }
        // No credentials to sign with: an operator must act, and a later attempt may find them.
        SdkError::ConstructionFailure(_) | SdkError::DispatchFailure(_) if text::is_about_credentials(error) => {
            ErrorKind::Denied
        }
        SdkError::ConstructionFailure(_) => ErrorKind::Invalid,
        // No response, or an unreadable one: the call may have succeeded.
        _ => ErrorKind::Unavailable,
    }
}

/// Whether the service does not implement what the call asks for. S3 answers so to a few headers, other stores to whole
/// operations, with 501 or another status.
pub(super) fn is_not_implemented<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let SdkError::ServiceError(service) = error else { return false };
    service.raw().status().as_u16() == 501 || service.err().code() == Some("NotImplemented")
}

/// Whether the service refuses a header of a checksum: Backblaze B2 answers 400 `InvalidArgument: Unsupported header
/// 'x-amz-sdk-checksum-algorithm'` (<https://github.com/home-assistant/core/issues/143995>).
pub(super) fn is_checksum_refused<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let SdkError::ServiceError(service) = error else { return false };
    let text = service.err().message().unwrap_or_default();
    service.err().code() == Some("InvalidArgument") && text.contains("x-amz-") && text.contains("checksum")
}

/// Whether the service does not have the operation at all.
pub(super) fn is_no_operation<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let status = matches!(error, SdkError::ServiceError(service) if service.raw().status().as_u16() == 405);
    status || is_not_implemented(error)
}

/// Classifies an error response by its status, error code and message.
fn kind_of(status: u16, code: Option<&str>, message: Option<&str>) -> ErrorKind {
    match code {
        Some(code) if codes::unqualified(code) == "InvalidParameterValue" => {
            kind_of_invalid_parameter(message.unwrap_or_default())
        }
        Some(code) => codes::kind_of_code(code).unwrap_or_else(|| kind_of_status(status)),
        None => kind_of_status(status),
    }
}

/// SQS uses one code for three different errors, which only the message distinguishes.
fn kind_of_invalid_parameter(message: &str) -> ErrorKind {
    let message = message.to_ascii_lowercase();
    if message.contains("43200") || message.contains("total visibilitytimeout") {
        ErrorKind::LeaseLimit
    } else if ["not available for visibility timeout", "does not exist", "receipt handle has expired", "receipthandle"]
        .iter()
        .any(|hint| message.contains(hint))
    {
        ErrorKind::LeaseLost
    } else {
        ErrorKind::Invalid
    }
}

fn kind_of_status(status: u16) -> ErrorKind {
    match status {
        // A redirect leads to another region's endpoint; a 404 without S3's error code comes from another service.
        301 | 307 | 401 | 403 | 404 => ErrorKind::Denied,
        412 => ErrorKind::Precondition,
        429 => ErrorKind::Throttled,
        408 | 409 | 500.. => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_kind() {
        for (status, code, kind) in [
            (404, Some("NoSuchKey"), ErrorKind::NotFound),
            (404, Some("NoSuchVersion"), ErrorKind::NotFound),
            (404, Some("NoSuchBucket"), ErrorKind::Denied),
            (404, None, ErrorKind::Denied),
            (403, Some("AccessDenied"), ErrorKind::Denied),
            (403, Some("InvalidObjectState"), ErrorKind::Archived),
            (403, None, ErrorKind::Denied),
            (400, Some("ExpiredToken"), ErrorKind::Denied),
            (400, Some("KMS.KMSInvalidStateException"), ErrorKind::Denied),
            (400, Some("KMS.NotFoundException"), ErrorKind::Denied),
            (409, Some("OperationAborted"), ErrorKind::Unavailable),
            (409, Some("ConditionalRequestConflict"), ErrorKind::Unavailable),
            (412, Some("PreconditionFailed"), ErrorKind::Precondition),
            (412, None, ErrorKind::Precondition),
            (503, Some("SlowDown"), ErrorKind::Throttled),
            (503, Some("ServiceUnavailable"), ErrorKind::Unavailable),
            (503, None, ErrorKind::Unavailable),
            (500, Some("SomethingNew"), ErrorKind::Unavailable),
            (429, None, ErrorKind::Throttled),
            (400, Some("RequestTimeout"), ErrorKind::Unavailable),
            (400, Some("BadDigest"), ErrorKind::Damaged),
            (400, Some("AWS.SimpleQueueService.NonExistentQueue"), ErrorKind::Denied),
            (400, Some("AWS.SimpleQueueService.MessageNotInflight"), ErrorKind::LeaseLost),
            (400, Some("com.amazonaws.sqs#ReceiptHandleIsInvalid"), ErrorKind::LeaseLost),
            (
                400,
                Some("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
                ErrorKind::Throttled,
            ),
            (400, Some("ConditionalCheckFailedException"), ErrorKind::Precondition),
            (400, Some("ResourceNotFoundException"), ErrorKind::Denied),
            (400, Some("ValidationException"), ErrorKind::Invalid),
        ] {
            assert_eq!(kind_of(status, code, None), kind, "{status} {code:?}");
        }
    }

    #[test]
    fn a_lost_lease_and_the_twelve_hour_limit_share_a_code_and_are_told_apart() {
        for (message, kind) in [
            (
                "Value AQEB for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available \
                 for visibility timeout change.",
                ErrorKind::LeaseLost,
            ),
            (
                "Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
                ErrorKind::LeaseLost,
            ),
            (
                "Value 3600 for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the \
                 message is beyond the limit [43200 seconds].",
                ErrorKind::LeaseLimit,
            ),
            ("Value 99 for parameter MaxNumberOfMessages is invalid.", ErrorKind::Invalid),
        ] {
            assert_eq!(kind_of(400, Some("InvalidParameterValue"), Some(message)), kind, "{message}");
        }
    }

    #[test]
    fn a_batch_entry_fails_for_its_own_reason() {
        let failed = |code, message, is_ours| entry_error(Operation::QueueDelete, code, message, is_ours).kind;
        assert_eq!(failed("ReceiptHandleIsInvalid", None, true), ErrorKind::LeaseLost);
        assert_eq!(failed("InternalError", None, false), ErrorKind::Unavailable);
        assert_eq!(failed("SomethingNew", Some("later"), false), ErrorKind::Unavailable);
        assert_eq!(failed("SomethingNew", Some("never"), true), ErrorKind::Invalid);
    }
}
