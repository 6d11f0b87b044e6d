//! Signed addresses: an HMAC-SHA-256 over method, path and query, which holds until it expires.
//!
//! What is signed is the very text of the address up to `&signature=`, so that there is nothing to normalise and
//! nothing to confuse.

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::Sha256;

use super::directory::KEY_BYTES;
use crate::clock::Timestamp;

/// Where signed addresses begin.
pub(super) const ROOT: &str = "/objects/";

const SEPARATOR: &str = "&signature=";

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The same, but a key's slashes stay.
const KEY: &AsciiSet = &SEGMENT.remove(b'/');

/// Signs addresses and knows its own signatures again.
#[derive(Clone)]
pub(super) struct Signer {
    key: [u8; KEY_BYTES],
}

/// What a signed address allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) bucket: String,
    pub(super) key: String,
    /// Unix seconds.
    pub(super) expires: i64,
    /// The Content-Type that must be sent.
    pub(super) content_type: Option<String>,
    /// The Content-Length that must be sent.
    pub(super) content_length: Option<u64>,
    /// Only while there is no such object.
    pub(super) is_single_use: bool,
}

/// Why an address is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the signature does not match this method and address")]
    Mismatch,
    #[error("the address has expired")]
    Expired,
}

impl Signer {
    pub(super) fn new(key: [u8; KEY_BYTES]) -> Self {
        Self { key }
    }

    /// The address that allows `grant` to whoever has it: a path with its query.
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
        if grant.is_single_use {
            address.push_str("&single-use=1");
        }
        let signature = data_encoding::HEXLOWER.encode(&self.mac(method, &address).finalize().into_bytes());
        format!("{address}{SEPARATOR}{signature}")
    }

    /// What the address allows at `now`.
    pub(super) fn verify(&self, method: &str, address: &str, now: Timestamp) -> Result<Grant, Refusal> {
        let (signed, signature) = address.rsplit_once(SEPARATOR).ok_or(Refusal::Mismatch)?;
        let signature = data_encoding::HEXLOWER.decode(signature.as_bytes()).map_err(|_| Refusal::Mismatch)?;
        self.mac(method, signed).verify_slice(&signature).map_err(|_| Refusal::Mismatch)?;
        let grant = read(signed).ok_or(Refusal::Mismatch)?;
        if now.as_secs() >= grant.expires { Err(Refusal::Expired) } else { Ok(grant) }
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

/// Reads an address that we wrote.
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
        is_single_use: false,
    };
    for term in query.split('&') {
        match term.split_once('=')? {
            ("expires", seconds) => grant.expires = seconds.parse().ok()?,
            ("content-length", bytes) => grant.content_length = Some(bytes.parse().ok()?),
            ("content-type", content_type) => grant.content_type = Some(decode(content_type)?),
            ("single-use", _) => grant.is_single_use = true,
            _ => return None,
        }
    }
    Some(grant)
}
