//! The encoding of keys in S3's notifications: form-encoded, except for slashes.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{ParseError, quoted};

/// The characters that S3 encodes, except the space, which becomes a `+`.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b'/').remove(b' ');

/// Encodes a key as S3 does.
pub(super) fn encode(key: &str) -> String {
    utf8_percent_encode(key, ENCODED).to_string().replace(' ', "+")
}

/// Decodes a key from S3: `+` is a space, the rest is percent-encoded UTF-8.
pub(super) fn decode(encoded: &str) -> Result<String, ParseError> {
    let with_spaces = encoded.replace('+', " ");
    match percent_decode_str(&with_spaces).decode_utf8() {
        Ok(key) => Ok(key.into_owned()),
        Err(_) => Err(ParseError(format!("the key {} is not UTF-8", quoted(encoded)))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_written_as_s3_writes_them() {
        for (key, encoded) in [
            ("uploads/cat.jpg", "uploads/cat.jpg"),
            ("a b+c%.jpg", "a+b%2Bc%25.jpg"),
            ("uploads/größe.jpg", "uploads/gr%C3%B6%C3%9Fe.jpg"),
            ("a&b=c?d#e", "a%26b%3Dc%3Fd%23e"),
        ] {
            assert_eq!(encode(key), encoded);
            assert_eq!(decode(encoded).as_deref(), Ok(key));
        }
    }

    #[test]
    fn a_lone_percent_sign_stands_for_itself() {
        assert_eq!(decode("100%.jpg").as_deref(), Ok("100%.jpg"));
    }

    #[test]
    fn a_key_that_is_not_utf_8_is_an_error() {
        assert_eq!(decode("a%FFb"), Err(ParseError("the key \"a%FFb\" is not UTF-8".to_owned())));
    }

    proptest! {
        #[test]
        fn any_key_survives_the_way_there_and_back(key in "\\PC*|.*") {
            prop_assert_eq!(decode(&encode(&key)), Ok(key));
        }
    }
}
