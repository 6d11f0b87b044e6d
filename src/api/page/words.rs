//! Texts of the page that depend on the settings: the thumbnail sizes and example shell commands.

use super::super::ApiSettings;
use crate::recipe::Size;

/// The page's script writes the page's origin into this element.
const ORIGIN: &str = "<span class=\"origin\"></span>";

/// The sizes as text: `small (100 pixels), medium (500 pixels) and large (1000 pixels)`.
pub(super) fn sizes(sizes: &[Size]) -> String {
    let mut words = sizes.iter().map(|Size { name, side }| format!("{name} ({side} pixels)")).collect::<Vec<_>>();
    let last = words.pop().unwrap_or_default();
    if words.is_empty() { last } else { format!("{} and {last}", words.join(", ")) }
}

/// Shell commands, as HTML, that upload `photo.jpg` and wait for its thumbnails. They use only enabled features.
pub(super) fn commands(settings: &ApiSettings) -> String {
    let (token, header) = if settings.access.tokens.is_empty() {
        ("", "")
    } else {
        ("TOKEN='a token of this server'\n", " -H \"Authorization: Bearer $TOKEN\"")
    };
    let length = settings.requires_content_length.then_some(r#"\"contentLength\": $(wc -c <photo.jpg)"#);
    let checksum = settings.requires_checksum.then_some(r#"\"checksumSha256\": \"$sum\""#);
    let fields: Vec<&str> = length.into_iter().chain(checksum).collect();
    let body = if fields.is_empty() { String::new() } else { format!(" -d \"{{{}}}\"", fields.join(", ")) };
    let (sum, sum_header) = if settings.requires_checksum {
        ("sum=$(openssl dgst -sha256 -binary photo.jpg | base64)\n", " -H \"x-amz-checksum-sha256: $sum\"")
    } else {
        ("", "")
    };
    let commands = format!(
        r#"{token}{sum}curl -sSf -X POST{header}{body} ORIGIN/images -o upload.json
curl -sSf -T photo.jpg -H 'If-None-Match: *'{sum_header} "$(jq -r .uploadUrl upload.json)"
image="ORIGIN/images/$(jq -r .id upload.json)"
while curl -sSf{header} "$image?until=final" -o image.json &&
  jq -e '.status | startswith("waiting")' image.json >/dev/null
do sleep 1; done
jq . image.json"#
    );
    let escaped = commands.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    escaped.replace("ORIGIN", ORIGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_listed_as_people_list_them() {
        let of = |names: &[&str]| {
            let size = |name: &&str| Size { name: (*name).to_owned(), side: 100 };
            sizes(&names.iter().map(size).collect::<Vec<_>>())
        };
        assert_eq!(of(&["a"]), "a (100 pixels)");
        assert_eq!(of(&["a", "b"]), "a (100 pixels) and b (100 pixels)");
        assert_eq!(of(&["a", "b", "c"]), "a (100 pixels), b (100 pixels) and c (100 pixels)");
    }
}
