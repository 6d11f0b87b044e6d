//! Reads the body of an object, and believes it only when it is whole and unharmed.

use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};

/// The longest that one read of a body may take. The SDK cuts off only what stands still.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// Why a body is not to be believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum DamagedBody {
    /// The connection broke, stood still, or the SDK found that the checksum differs.
    #[error("the body broke off or does not match its checksum")]
    Broken(#[source] aws_sdk_s3::primitives::ByteStreamError),
    #[error("the body did not arrive within {} s", BODY_TIMEOUT.as_secs())]
    Slow,
    #[error("the body has {read} bytes instead of {expected}")]
    Length { read: u64, expected: u64 },
    #[error("the MD5 of the body is {read}, the ETag {expected}")]
    Etag { read: String, expected: String },
}

/// Reads the whole body. Verified are its length and its checksum (by the SDK, where the object has one), else the MD5
/// in the ETag where there is reason to think that it is one.
///
/// An ETag is an MD5 only by custom: stores are free to put something else there. `last_read` remembers the MD5 of a
/// refused body, so that the same bytes read twice are believed.
pub(super) async fn read(answer: GetObjectOutput, last_read: &mut Option<String>) -> Result<Bytes, DamagedBody> {
    let expected = u64::try_from(answer.content_length.unwrap_or(0)).unwrap_or(0);
    let etag = etag_md5(&answer);
    let bytes =
        tokio::time::timeout(BODY_TIMEOUT, collect(answer, expected)).await.map_err(|_| DamagedBody::Slow)??;
    if bytes.len() as u64 != expected {
        return Err(DamagedBody::Length { read: bytes.len() as u64, expected });
    }
    if let Some(expected) = etag {
        let read = data_encoding::HEXLOWER.encode(&Md5::digest(&bytes));
        if read != expected && last_read.as_ref() != Some(&read) {
            *last_read = Some(read.clone());
            return Err(DamagedBody::Etag { read, expected });
        }
    }
    Ok(bytes)
}

async fn collect(mut answer: GetObjectOutput, expected: u64) -> Result<Bytes, DamagedBody> {
    // The caller has compared this length with its limit; one buffer of it, and no second copy.
    let mut bytes = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(0));
    while let Some(chunk) = answer.body.try_next().await.map_err(DamagedBody::Broken)? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// The MD5 in the ETag, when it is needed and there is one: an upload in one part, not encrypted with a key of KMS,
/// stored without a checksum that the SDK verifies.
fn etag_md5(answer: &GetObjectOutput) -> Option<String> {
    let is_verified_by_the_sdk = [
        &answer.checksum_crc32,
        &answer.checksum_crc32_c,
        &answer.checksum_crc64_nvme,
        &answer.checksum_sha1,
        &answer.checksum_sha256,
    ]
    .into_iter()
    .flatten()
    // A checksum of checksums (`...-3`, of an upload in parts) says nothing that can be verified here.
    .any(|checksum| !checksum.contains('-'));
    let is_plain = matches!(answer.server_side_encryption, None | Some(ServerSideEncryption::Aes256))
        && answer.sse_customer_algorithm.is_none();
    let etag = answer.e_tag.as_deref()?.trim_matches('"');
    let is_md5 = etag.len() == 32 && etag.bytes().all(|b| b.is_ascii_hexdigit());
    (!is_verified_by_the_sdk && is_plain && is_md5).then(|| etag.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::primitives::ByteStream;

    use super::*;

    const CAT_MD5: &str = "d077f244def8a70e5ea758bd8352fcd8";

    fn answer(body: &'static [u8], length: i64, etag: &str) -> GetObjectOutput {
        GetObjectOutput::builder()
            .body(ByteStream::from_static(body))
            .content_length(length)
            .e_tag(format!("\"{etag}\""))
            .build()
    }

    #[tokio::test]
    async fn a_whole_body_is_believed() {
        assert_eq!(read(answer(b"cat", 3, CAT_MD5), &mut None).await.unwrap(), "cat");
        assert_eq!(read(answer(b"cat", 3, &CAT_MD5.to_uppercase()), &mut None).await.unwrap(), "cat");
        assert_eq!(read(answer(b"cat", 3, "0123456789abcdef0123456789abcdef-2"), &mut None).await.unwrap(), "cat");
    }

    #[tokio::test]
    async fn a_body_cut_short_is_not() {
        let error = read(answer(b"cat", 4, CAT_MD5), &mut None).await.unwrap_err();
        assert!(matches!(error, DamagedBody::Length { read: 3, expected: 4 }));
    }

    #[tokio::test]
    async fn changed_bytes_are_not_unless_they_come_twice_the_same() {
        let mut last_read = None;
        assert!(matches!(read(answer(b"cot", 3, CAT_MD5), &mut last_read).await, Err(DamagedBody::Etag { .. })));
        assert!(matches!(read(answer(b"cut", 3, CAT_MD5), &mut last_read).await, Err(DamagedBody::Etag { .. })));
        assert_eq!(read(answer(b"cut", 3, CAT_MD5), &mut last_read).await.unwrap(), "cut");
    }

    #[tokio::test]
    async fn an_encrypted_objects_etag_is_no_md5() {
        let mut encrypted = answer(b"cat", 3, "0123456789abcdef0123456789abcdef");
        encrypted.server_side_encryption = Some(ServerSideEncryption::AwsKms);
        assert_eq!(read(encrypted, &mut None).await.unwrap(), "cat");
    }
}
