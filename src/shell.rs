//! Paths in the shell commands that messages suggest.

use std::path::Path;

/// The path, quoted for a shell.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_one_word_for_a_shell() {
        for (path, word) in [
            ("/srv/darkroom-data", "/srv/darkroom-data"),
            ("/srv/my data", "'/srv/my data'"),
            ("/srv/$(reboot)", "'/srv/$(reboot)'"),
            ("/srv/it's", r"'/srv/it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(path)), word);
        }
    }
}
