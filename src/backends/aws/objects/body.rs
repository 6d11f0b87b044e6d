//! Reads the body of an object and verifies its length and checksum.

use std::time::Duration;

use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::{Bytes, BytesMut};
use md5::{Digest, Md5};

/// Timeout of one read of a body. The SDK only aborts stalled bodies.
const BODY_TIMEOUT: Duration = Duration::from_secs(120);

/// Why a body is rejected.
#[derive(Debug, thiserror::Error)]
pub(super) enum DamagedBody {
    /// The connection broke or stalled, or the SDK found another checksum.
    #[error("the body broke off or does not match its checksum")]
    Broken(#[source] aws_sdk_s3::primitives::ByteStreamError),
    #[error("the body did not arrive within {} s", BODY_TIMEOUT.as_secs())]
    Slow,
    #[error("the body has {read} bytes instead of {expected}")]
    Length { read: u64, expected: u64 },
    #[error("the MD5 of the body is {read}, the ETag {expected}")]
    Etag { read: String, expected: String },
}

/// Reads the whole body, or returns `None` as soon as it exceeds the limit. Verifies the length, if the response states
/// one (a proxy may send chunks instead), and the checksum: the SDK does so if the object has one, otherwise the MD5 in
/// the ETag is compared if the ETag is likely to be one.
///
/// An ETag is an MD5 only by convention: stores may use another value. `last_read` keeps the MD5 of a rejected body, so
/// that two reads of the same bytes are accepted.
pub(super) async fn read(
    answer: GetObjectOutput,
    limit_bytes: u64,
    last_read: &mut Option<String>,
) -> Result<Option<Bytes>, DamagedBody> {
    let expected = stated_length(&answer);
    let etag = etag_md5(&answer);
    let bytes = tokio::time::timeout(BODY_TIMEOUT, collect(answer, limit_bytes)).await;
    let Some(bytes) = bytes.map_err(|_| DamagedBody::Slow)?? else { return Ok(None) };
    let read = bytes.len() as u64;
    if let Some(expected) = expected
        && read != expected
    {
        return Err(DamagedBody::Length { read, expected });
    }
    if let Some(expected) = etag {
        let read = data_encoding::HEXLOWER.encode(&Md5::digest(&bytes));
        if read != expected && last_read.as_ref() != Some(&read) {
            *last_read = Some(read.clone());
            return Err(DamagedBody::Etag { read, expected });
        }
    }
    Ok(Some(bytes))
}

/// The body's length in bytes, if the response states it.
pub(super) fn stated_length(answer: &GetObjectOutput) -> Option<u64> {
    answer.content_length.and_then(|length| length.try_into().ok())
}

/// The whole body, or `None` if it exceeds the limit.
async fn collect(mut answer: GetObjectOutput, limit_bytes: u64) -> Result<Option<Bytes>, DamagedBody> {
    // Allocates the stated length once, to avoid a second copy.
    let expected = stated_length(&answer).unwrap_or(0).min(limit_bytes);
    let mut bytes = BytesMut::with_capacity(usize::try_from(expected).unwrap_or(0));
    while let Some(chunk) = answer.body.try_next().await.map_err(DamagedBody::Broken)? {
        if (bytes.len() + chunk.len()) as u64 > limit_bytes {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes.freeze()))
}

/// The MD5 in the ETag, if it is needed and is one: the object was uploaded in one part, is not encrypted with a KMS
/// key, and has no checksum that the SDK verifies. The response has no checksum that the SDK cannot verify: those of
/// multipart uploads are removed, see `part_checksums`.
fn etag_md5(answer: &GetObjectOutput) -> Option<String> {
    let is_verified_by_the_sdk = [
        &answer.checksum_crc32,
        &answer.checksum_crc32_c,
        &answer.checksum_crc64_nvme,
        &answer.checksum_sha1,
        &answer.checksum_sha256,
    ]
    .into_iter()
    .any(Option::is_some);
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
    const LIMIT: u64 = 3;

    fn answer(body: &'static [u8], length: Option<i64>, etag: &str) -> GetObjectOutput {
        GetObjectOutput::builder()
            .body(ByteStream::from_static(body))
            .set_content_length(length)
            .e_tag(format!("\"{etag}\""))
            .build()
    }

    #[tokio::test]
    async fn a_whole_body_is_believed() {
        for etag in [CAT_MD5, &CAT_MD5.to_uppercase(), "0123456789abcdef0123456789abcdef-2"] {
            for length in [Some(3), None] {
                let read = read(answer(b"cat", length, etag), LIMIT, &mut None).await.unwrap();
                assert_eq!(read.unwrap(), "cat", "{etag}, {length:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_body_cut_short_is_not() {
        let error = read(answer(b"cat", Some(4), CAT_MD5), LIMIT, &mut None).await.unwrap_err();
        assert!(matches!(error, DamagedBody::Length { read: 3, expected: 4 }));
        let error = read(answer(b"ca", None, CAT_MD5), LIMIT, &mut None).await.unwrap_err();
        assert!(matches!(error, DamagedBody::Etag { .. }));
    }

    #[tokio::test]
    async fn a_body_that_does_not_state_its_length_is_read_up_to_the_limit() {
        for (limit, is_read) in [(2, false), (3, true), (4, true)] {
            let read = read(answer(b"cat", None, CAT_MD5), limit, &mut None).await.unwrap();
            assert_eq!(read.is_some(), is_read, "limit {limit}");
        }
    }

    #[tokio::test]
    async fn changed_bytes_are_not_unless_they_come_twice_the_same() {
        let mut last_read = None;
        for (body, is_believed) in [(b"cot", false), (b"cut", false), (b"cut", true)] {
            let read = read(answer(body, Some(3), CAT_MD5), LIMIT, &mut last_read).await;
            assert_eq!(read.is_ok(), is_believed, "{body:?} after {last_read:?}");
        }
    }

    #[tokio::test]
    async fn an_encrypted_objects_etag_is_no_md5() {
        let mut encrypted = answer(b"cat", Some(3), "0123456789abcdef0123456789abcdef");
        encrypted.server_side_encryption = Some(ServerSideEncryption::AwsKms);
        assert_eq!(read(encrypted, LIMIT, &mut None).await.unwrap().unwrap(), "cat");
    }
}
