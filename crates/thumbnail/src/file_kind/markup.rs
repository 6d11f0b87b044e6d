//! XML and HTML, by the name of the first element.

use super::FileKind;

/// Elements with which pages without a declaration begin.
const HTML_ELEMENTS: [&str; 14] =
    ["html", "head", "body", "title", "meta", "link", "style", "script", "div", "p", "span", "table", "center", "h1"];

/// The kind of a text that begins with markup.
pub(super) fn kind(head: &[u8]) -> Option<FileKind> {
    // UTF-16 of markup is ASCII with zeros in between.
    let is_utf16 = head.starts_with(b"\xff\xfe<\0") || head.starts_with(b"\xfe\xff\0<");
    if is_utf16 {
        let ascii: Vec<u8> = head[2..].iter().copied().filter(|byte| *byte != 0).collect();
        return of_text(&ascii);
    }
    of_text(head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head))
}

/// Skips the prolog up to the first element.
fn of_text(text: &[u8]) -> Option<FileKind> {
    let mut rest = text;
    let mut is_xml = false;
    loop {
        rest = rest.trim_ascii_start();
        if rest.starts_with(b"<?xml") {
            is_xml = true;
        }
        let end: &[u8] = if rest.starts_with(b"<?") {
            b"?>"
        } else if rest.starts_with(b"<!--") {
            b"-->"
        } else if begins_doctype(rest) {
            match &*name_at(&rest[9..]) {
                "html" => return Some(FileKind::Html),
                "svg" => return Some(FileKind::Svg),
                _ => is_xml = true,
            }
            if has_subset(rest) { b"]>" } else { b">" }
        } else {
            return of_element(rest, is_xml);
        };
        match rest.windows(end.len()).position(|window| window == end) {
            Some(at) => rest = &rest[at + end.len()..],
            None => return is_xml.then_some(FileKind::Xml),
        }
    }
}

fn of_element(text: &[u8], is_xml: bool) -> Option<FileKind> {
    let name = text.strip_prefix(b"<").map(name_at).unwrap_or_default();
    let is_element =
        !name.is_empty() && matches!(text.get(1 + name.len()), Some(b' ' | b'\t' | b'\r' | b'\n' | b'>' | b'/'));
    match name.rsplit(':').next()? {
        "svg" if is_element => Some(FileKind::Svg),
        "html" if is_element => Some(FileKind::Html),
        name if is_element && !is_xml && HTML_ELEMENTS.contains(&name) => Some(FileKind::Html),
        _ => (is_element || is_xml).then_some(FileKind::Xml),
    }
}

fn begins_doctype(text: &[u8]) -> bool {
    text.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<!doctype"))
}

/// Whether a document type has declarations of its own, in brackets.
fn has_subset(doctype: &[u8]) -> bool {
    doctype.iter().find(|byte| b"[>".contains(byte)) == Some(&b'[')
}

/// The name at the beginning, after white space, in lower case.
fn name_at(text: &[u8]) -> String {
    let name = text.trim_ascii_start();
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || b":._-".contains(byte);
    let is_name = name.first().is_some_and(u8::is_ascii_alphabetic);
    let part = name.iter().take_while(is_part).filter(|_| is_name).copied().collect();
    String::from_utf8(part).unwrap_or_default().to_ascii_lowercase()
}
