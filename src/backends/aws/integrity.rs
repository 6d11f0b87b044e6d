//! Verifies the CRC-32 header of DynamoDB's responses, which the SDK ignores.

use aws_sdk_dynamodb::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

/// A response that was damaged in transit.
#[derive(Debug, thiserror::Error)]
#[error("the CRC-32 of the answer is {found}, its header says {stated}")]
struct ChecksumMismatch {
    found: u32,
    stated: u32,
}

/// Rejects responses whose CRC-32 differs from their header.
///
/// A damaged record may be valid JSON with another status.
#[derive(Debug)]
pub(super) struct VerifyAnswers;

impl Intercept for VerifyAnswers {
    fn name(&self) -> &'static str {
        "VerifyAnswers"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        let stated = answer.headers().get("x-amz-crc32").and_then(|text| text.parse().ok());
        Ok(verify(answer.body().bytes(), stated)?)
    }
}

fn verify(body: Option<&[u8]>, stated: Option<u32>) -> Result<(), ChecksumMismatch> {
    let (Some(body), Some(stated)) = (body, stated) else { return Ok(()) };
    let found = crc_fast::crc32_iso_hdlc(body);
    if found == stated { Ok(()) } else { Err(ChecksumMismatch { found, stated }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_differing_crc_refuses_an_answer() {
        let crc = 0xcbf4_3926;
        assert!(verify(Some(b"123456789"), Some(crc)).is_ok());
        assert!(verify(Some(b"123456788"), Some(crc)).is_err());
        assert!(verify(Some(b"123456788"), None).is_ok());
    }
}
