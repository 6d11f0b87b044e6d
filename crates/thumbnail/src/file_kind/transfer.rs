//! Images that a client has sent inside something else: a form, framing, Base64.

use darkroom_codec::png;

use super::FileKind;

/// The longest boundary of a multipart form (RFC 2046).
const MAX_BOUNDARY_BYTES: usize = 70;

/// The most hexadecimal digits of a chunk's size.
const MAX_SIZE_DIGITS: usize = 16;

/// Base64 of the first bytes of a JPEG and of a PNG.
const BASE64: [&[u8]; 2] = [b"/9j/", b"iVBORw0KGgo"];

/// The kind by how a whole file begins.
pub(super) fn kind(bytes: &[u8]) -> Option<FileKind> {
    if is_form(bytes) {
        Some(FileKind::Multipart)
    } else if is_chunked(bytes) {
        Some(FileKind::AwsChunked)
    } else {
        is_base64(bytes).then_some(FileKind::Base64)
    }
}

/// A boundary, and a header of the first part.
fn is_form(bytes: &[u8]) -> bool {
    let Some(line) = bytes.trim_ascii_start().strip_prefix(b"--") else { return false };
    let boundary_bytes = line.iter().take_while(|byte| byte.is_ascii_graphic() || **byte == b' ').count();
    let (boundary, rest) = line.split_at(boundary_bytes);
    let header = rest.strip_prefix(b"\r\n").or_else(|| rest.strip_prefix(b"\n"));
    !boundary.is_empty()
        && boundary_bytes <= MAX_BOUNDARY_BYTES
        && header.is_some_and(|header| begins(header, b"content-"))
}

/// Whether `bytes` begin with `lower_case`, in any case.
fn begins(bytes: &[u8], lower_case: &[u8]) -> bool {
    bytes.get(..lower_case.len()).is_some_and(|start| start.eq_ignore_ascii_case(lower_case))
}

/// The size of a first chunk, with its signature, or with the end of the chunk or an image where they must be.
fn is_chunked(bytes: &[u8]) -> bool {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, rest) = bytes.split_at(digits);
    if !(1..=MAX_SIZE_DIGITS).contains(&digits) {
        return false;
    }
    if rest.starts_with(b";chunk-signature=") {
        return true;
    }
    let Some(data) = rest.strip_prefix(b"\r\n") else { return false };
    let size = std::str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
    match size {
        // The end, and its trailers.
        Some(0) => data.is_empty() || data.starts_with(b"\r\n") || begins(data, b"x-amz-"),
        Some(size) if data.get(size..).is_some_and(|rest| rest.starts_with(b"\r\n")) => true,
        _ => data.starts_with(b"\xff\xd8\xff") || data.starts_with(png::SIGNATURE),
    }
}

/// A data URL, or Base64 of a JPEG or PNG, also as a string of JSON.
fn is_base64(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii_start();
    let text = text.strip_prefix(b"\"").unwrap_or(text);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=\\\r\n\"".contains(byte);
    let is_of_image = BASE64.iter().any(|start| text.starts_with(start)) && text.iter().take(64).all(is_digit);
    is_of_image || begins(text, b"data:image/")
}
