//! Describes a failed SDK call in one line, without debug output or repetition.

use std::error::Error;

use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use super::codes::unqualified;

const NO_CREDENTIALS: &str = "no AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or \
                              run with the role of a container or an instance";

/// Longest description of a cause: some of the SDK's are pages long.
const MAX_CHARS: usize = 300;

pub(super) fn of<E: ProvideErrorMetadata + Error + 'static>(error: &SdkError<E>) -> String {
    let text = match error {
        SdkError::ServiceError(service) => {
            of_answer(service.raw().status().as_u16(), service.err().code(), service.err().message())
        }
        SdkError::TimeoutError(_) => "no answer in time".to_owned(),
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) if is_about_credentials(error) => {
            of_credentials(error)
        }
        SdkError::DispatchFailure(failure) if failure.is_timeout() => "no connection in time".to_owned(),
        SdkError::DispatchFailure(_) => format!("no connection: {}", innermost(error)),
        SdkError::ResponseError(_) => format!("the answer cannot be read: {}", innermost(error)),
        _ => format!("the call cannot be made: {}", innermost(error)),
    };
    text.chars().take(MAX_CHARS).collect()
}

/// The error response: its code and message, without the message if it only repeats the code.
pub(super) fn of_answer(status: u16, code: Option<&str>, message: Option<&str>) -> String {
    let letters = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_ascii_lowercase();
    let code = code.map(unqualified).filter(|code| !code.is_empty());
    match (code, message.map(str::trim).filter(|message| !message.is_empty())) {
        (Some(code), Some(message)) if letters(code) == letters(message) => code.to_owned(),
        (Some(code), Some(message)) if message.contains(code) => message.to_owned(),
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        (None, Some(message)) => format!("HTTP {status}: {message}"),
        (None, None) => format!("HTTP {status}"),
    }
}

/// Whether the call was not sent because credentials are missing.
pub(super) fn is_about_credentials(error: &(dyn Error + 'static)) -> bool {
    chain(error).any(|cause| {
        let text = format!("{cause} {cause:?}");
        ["CredentialsNotLoaded", "credentials provider", "ProviderError"].iter().any(|hint| text.contains(hint))
    })
}

fn of_credentials(error: &(dyn Error + 'static)) -> String {
    let is_none_found = chain(error).any(|cause| format!("{cause:?}").contains("CredentialsNotLoaded"));
    if is_none_found { NO_CREDENTIALS.to_owned() } else { format!("no AWS credentials: {}", innermost(error)) }
}

/// The last cause in the chain: the others add little.
fn innermost(error: &(dyn Error + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_each_thing_once() {
        for (code, message, text) in [
            (Some("AccessDenied"), Some("Access Denied"), "AccessDenied"),
            (Some("SlowDown"), Some("Reduce your request rate."), "SlowDown: Reduce your request rate."),
            (Some("com.amazonaws.sqs#OverLimit"), Some(" "), "OverLimit"),
            (Some("AWS.SimpleQueueService.NonExistentQueue"), None, "NonExistentQueue"),
            (Some("X"), Some("X happened"), "X happened"),
            (None, Some("teapot"), "HTTP 418: teapot"),
            (None, None, "HTTP 418"),
            (Some(""), Some(""), "HTTP 418"),
        ] {
            assert_eq!(of_answer(418, code, message), text);
        }
    }
}
