//! The tokens for calls of the API, stored only as hashes.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::reader::Reader;
use super::values::Parsed;
use crate::shell;

/// The setting that contains the tokens.
pub(super) const TOKEN: &str = "DARKROOM_API_TOKEN";

/// The setting that names the file with the tokens.
pub(super) const TOKEN_FILE: &str = "DARKROOM_API_TOKEN_FILE";

/// The shortest token: 16 random characters cannot be guessed over a network.
const MIN_TOKEN_CHARS: usize = 16;

/// The largest token file.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The tokens that the API accepts. There can be several, for rotation. `Debug` shows only their number.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ApiTokens(Vec<[u8; 32]>);

impl ApiTokens {
    /// Parses tokens separated by commas.
    ///
    /// # Errors
    /// When a token is empty, too short, or contains a character that is invalid in a header. The error does not show
    /// the token.
    pub fn parse(text: &str) -> Result<Self, String> {
        text.split(',').map(hash_of_valid).collect::<Parsed<_>>().map(Self)
    }

    /// Whether clients need no token.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `token` is valid. The time that this takes reveals nothing about the valid tokens.
    pub fn accepts(&self, token: &str) -> bool {
        let hash = hash(token);
        let found = self.0.iter().fold(Choice::from(0), |found, known| found | known[..].ct_eq(&hash));
        found.into()
    }
}

impl fmt::Debug for ApiTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiTokens({} hidden)", self.0.len())
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn hash_of_valid(token: &str) -> Parsed<[u8; 32]> {
    if token.is_empty() {
        return Err("has an empty token".to_owned());
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("has a token with a space or another character that is not printable ASCII".to_owned());
    }
    if token.len() < MIN_TOKEN_CHARS {
        return Err(format!("has a token of {} characters: at least {MIN_TOKEN_CHARS} are needed", token.len()));
    }
    Ok(hash(token))
}

/// Returns a warning if users other than the owner and the group of the token file can read or write it.
pub(super) fn exposed_file(path: &str) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o006 != 0).then(|| {
        let name = shell::quoted(Path::new(path));
        format!(
            "{TOKEN_FILE}={path:?} has mode {mode:o}, so that other users of this machine can use it: run \
             `chmod 600 {name}`"
        )
    })
}

/// The tokens of [`TOKEN`] or of the file in [`TOKEN_FILE`]. An empty variable is a mistake, because it would silently
/// open the API.
pub(super) fn read(reader: &mut Reader<'_>) -> ApiTokens {
    let (token, file) = (reader.untrimmed(TOKEN), reader.text_or_empty(TOKEN_FILE));
    let (variable, tokens) = match (token, file) {
        (None, None) => return ApiTokens::default(),
        (Some(_), Some(_)) => (TOKEN, Err(format!("cannot be set together with {TOKEN_FILE}"))),
        (Some(tokens), None) => (TOKEN, ApiTokens::parse(tokens)),
        (None, Some(path)) => (TOKEN_FILE, read_file(path)),
    };
    tokens.unwrap_or_else(|problem| {
        if variable == TOKEN_FILE {
            reader.mistake(variable, problem)
        } else {
            reader.secret_mistake(variable, problem)
        }
        ApiTokens::default()
    })
}

/// Reads a token file and ignores one line break at its end.
fn read_file(path: &str) -> Parsed<ApiTokens> {
    if path.is_empty() {
        return Err("must name a file".to_owned());
    }
    let text = read_text(path).map_err(|error| format!("cannot be read: {error}"))?;
    let text = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    ApiTokens::parse(text)
}

fn read_text(path: &str) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef";
    const OTHER: &str = "fedcba9876543210-and-more";

    #[test]
    fn each_of_several_tokens_counts_and_nothing_else() {
        let tokens = ApiTokens::parse(&format!("{ONE},{OTHER}")).unwrap();
        for (token, is_known) in [
            (ONE, true),
            (OTHER, true),
            ("", false),
            ("0123456789abcde", false),
            ("0123456789abcdef0", false),
            ("0123456789abcdeF", false),
            ("0123456789abcdef,fedcba9876543210-and-more", false),
        ] {
            assert_eq!(tokens.accepts(token), is_known, "{token:?}");
        }
        assert!(!ApiTokens::default().accepts("") && ApiTokens::default().is_empty());
    }

    #[test]
    fn a_token_that_is_short_or_odd_is_refused_without_being_shown() {
        assert!(ApiTokens::parse(&ONE[..15]).is_err());
        for length in [16, 17] {
            assert!(ApiTokens::parse(&"x".repeat(length)).is_ok(), "{length}");
        }
        for text in [
            "",
            ",",
            "0123456789abcdef,",
            "0123456789abcdef, fedcba9876543210",
            "0123456789 abcdef",
            "ä0123456789abcdef",
        ] {
            let problem = ApiTokens::parse(text).unwrap_err();
            assert!(!problem.contains("0123"), "{problem}");
        }
    }

    #[test]
    fn the_debug_form_hides_the_tokens() {
        let shown = format!("{:?}", ApiTokens::parse(ONE).unwrap());
        assert_eq!(shown, "ApiTokens(1 hidden)");
    }

    #[test]
    fn one_line_break_at_the_end_of_a_file_does_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        for (text, is_right) in [
            (format!("{ONE}\n"), true),
            (format!("{ONE}\r\n"), true),
            (format!("{ONE},{OTHER}"), true),
            (format!("{ONE}\n\n"), false),
            (format!(" {ONE}"), false),
            (String::new(), false),
            ("\n".to_owned(), false),
            ("x".repeat(64 << 10), true),
            ("x".repeat((64 << 10) + 1), false),
        ] {
            std::fs::write(&path, &text).unwrap();
            let tokens = read_file(path.to_str().unwrap());
            assert_eq!(tokens.is_ok(), is_right, "{} bytes: {tokens:?}", text.len());
            assert!(text.len() > 100 || tokens.is_err() || tokens.unwrap().accepts(ONE));
        }
        assert!(read_file(dir.path().to_str().unwrap()).unwrap_err().contains("cannot be read"));
        assert!(read_file("").is_err());
    }
}
