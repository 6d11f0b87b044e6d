//! Signed URLs: an HMAC-SHA-256 over method, path and query, valid until it expires.
//!
//! The signature covers the exact text of the URL up to `&signature=`, so no normalization is needed.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

use super::directory::KEY_BYTES;
use crate::clock::Timestamp;

/// The path prefix of signed URLs.
pub(super) const ROOT: &str = "/objects/";

const SEPARATOR: &str = "&signature=";

/// All characters except RFC 3986's unreserved ones.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same, without the slash of keys.
const KEY: &AsciiSet = &SEGMENT.remove(b'/');

/// Signs URLs and verifies their signatures.
#[derive(Clone)]
pub(super) struct Signer {
    key: [u8; KEY_BYTES],
}

/// The request that a signed URL allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) bucket: String,
    pub(super) key: String,
    /// Unix seconds.
    pub(super) expires: i64,
    /// The required Content-Type.
    pub(super) content_type: Option<String>,
    /// The required Content-Length.
    pub(super) content_length: Option<u64>,
    /// The required `x-amz-checksum-sha256`.
    pub(super) checksum_sha256: Option<String>,
    /// The URL can be used once: only if the object does not exist.
    pub(super) is_single_use: bool,
}

/// Why a URL is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureError {
    #[error("the signature does not match this method and address")]
    Mismatch,
    #[error("the address has expired")]
    Expired,
}

impl Signer {
    pub(super) fn new(key: [u8; KEY_BYTES]) -> Self {
        Self { key }
    }

    /// The URL, as path and query, that allows its holder to make the request of `grant`.
    pub(super) fn sign(&self, method: &str, grant: &Grant) -> String {
        let bucket = utf8_percent_encode(&grant.bucket, SEGMENT);
        let key = utf8_percent_encode(&grant.key, KEY);
        let mut address = format!("{ROOT}{bucket}/{key}?expires={}", grant.expires);
        if let Some(bytes) = grant.content_length {
            address.push_str(&format!("&content-length={bytes}"));
        }
        if let Some(content_type) = &grant.content_type {
            address.push_str(&format!("&content-type={}", utf8_percent_encode(content_type, SEGMENT)));
        }
        if let Some(checksum) = &grant.checksum_sha256 {
            address.push_str(&format!("&checksum-sha256={}", utf8_percent_encode(checksum, SEGMENT)));
        }
        if grant.is_single_use {
            address.push_str("&single-use=1");
        }
        let signature = data_encoding::HEXLOWER.encode(&self.mac(method, &address).finalize().into_bytes());
        format!("{address}{SEPARATOR}{signature}")
    }

    /// Verifies the URL at `now` and returns its grant.
    pub(super) fn verify(&self, method: &str, address: &str, now: Timestamp) -> Result<Grant, SignatureError> {
        let (signed, signature) = address.rsplit_once(SEPARATOR).ok_or(SignatureError::Mismatch)?;
        let signature = data_encoding::HEXLOWER.decode(signature.as_bytes()).map_err(|_| SignatureError::Mismatch)?;
        self.mac(method, signed).verify_slice(&signature).map_err(|_| SignatureError::Mismatch)?;
        let grant = read(signed).ok_or(SignatureError::Mismatch)?;
        if now.as_secs() >= grant.expires { Err(SignatureError::Expired) } else { Ok(grant) }
    }

    fn mac(&self, method: &str, address: &str) -> Hmac<Sha256> {
        #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        mac.update(method.as_bytes());
        mac.update(b" ");
        mac.update(address.as_bytes());
        mac
    }
}

/// Parses a URL whose signature was verified.
fn read(address: &str) -> Option<Grant> {
    let (path, query) = address.strip_prefix(ROOT)?.split_once('?')?;
    let (bucket, key) = path.split_once('/')?;
    let decode = |text: &str| percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned());
    let mut grant = Grant {
        bucket: decode(bucket)?,
        key: decode(key)?,
        expires: 0,
        content_type: None,
        content_length: None,
        checksum_sha256: None,
        is_single_use: false,
    };
    for term in query.split('&') {
        match term.split_once('=')? {
            ("expires", seconds) => grant.expires = seconds.parse().ok()?,
            ("content-length", bytes) => grant.content_length = Some(bytes.parse().ok()?),
            ("content-type", content_type) => grant.content_type = Some(decode(content_type)?),
            ("checksum-sha256", checksum) => grant.checksum_sha256 = Some(decode(checksum)?),
            ("single-use", _) => grant.is_single_use = true,
            _ => return None,
        }
    }
    Some(grant)
}
