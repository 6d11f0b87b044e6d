//! The paths in a file's code, and the module that each names.

use std::collections::{BTreeMap, BTreeSet};

/// A module or a path: its names from the root of the crate.
pub(super) type Names = Vec<String>;

/// Every path in the code that begins with `crate`, `darkroom` (as the binary names the library), `super` or `self`.
/// Groups are expanded: `a::{b, c::d}` is `a::b` and `a::c::d`.
pub(super) fn paths(code: &str) -> BTreeSet<Names> {
    let code: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found = BTreeSet::new();
    for root in ["crate::", "darkroom::", "super::", "self::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if !before.is_alphanumeric() && !matches!(before, '_' | '$' | ':') {
                spread(&code[at..], &[], &mut found);
            }
        }
    }
    found
}

/// Reads the path or group of paths at the start of `text`. Returns the rest of the text.
fn spread<'a>(text: &'a str, parent: &[String], found: &mut BTreeSet<Names>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        while !rest.is_empty() && !rest.starts_with('}') {
            let end = spread(rest, parent, found).trim_start();
            // Skip everything that is not a path (`*`, `as`, generic arguments) up to the next entry.
            let next = end.find([',', '}']).unwrap_or(end.len());
            rest = end[next..].trim_start_matches(',').trim_start();
        }
        return rest.strip_prefix('}').unwrap_or(rest);
    }
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut path = parent.to_vec();
    if !name.is_empty() && (name != "self" || parent.is_empty()) {
        path.push(name.to_owned());
    }
    match rest.strip_prefix("::") {
        Some(rest) if !name.is_empty() => spread(rest, &path, found),
        _ => {
            found.insert(path);
            rest
        }
    }
}

/// Resolves `path`, named in `module`, to the deepest module; to the root if no module matches.
pub(super) fn resolve(module: &[String], path: &[String], modules: &BTreeSet<Names>) -> Names {
    let mut names = path.iter();
    let mut target = match names.next().map(String::as_str) {
        Some("super") => module[..module.len().saturating_sub(1)].to_vec(),
        Some("self") => module.to_vec(),
        _ => Vec::new(),
    };
    for name in names {
        if name == "super" {
            target.pop();
            continue;
        }
        target.push(name.clone());
        if !modules.contains(&target) {
            target.pop();
            break;
        }
    }
    target
}

/// Returns the uses that are part of a circle: `a` uses `b`, and `b` uses `a`, directly or indirectly.
///
/// To use a module is to use its submodules, and a submodule may use its parent: both count as one unit.
pub(super) fn circles(uses: &BTreeMap<Names, BTreeSet<Names>>) -> Vec<(Names, Names)> {
    let is_part = |part: &Names, whole: &Names| part.starts_with(whole);
    let mut edges: BTreeMap<&Names, BTreeSet<&Names>> = BTreeMap::new();
    for (module, used) in uses {
        let parts = uses.keys().filter(|part| is_part(part, module) && !module.is_empty());
        let others = used.iter().filter(|other| !is_part(module, other));
        edges.insert(module, parts.chain(others).filter(|other| *other != module).collect());
    }
    let leads_to = |from: &Names, to: &Names| {
        let (mut seen, mut open) = (BTreeSet::from([from]), vec![from]);
        while let Some(module) = open.pop() {
            for next in edges.get(module).into_iter().flatten() {
                if seen.insert(*next) {
                    open.push(*next);
                }
            }
        }
        seen.contains(to)
    };
    let all = edges.iter().flat_map(|(module, used)| used.iter().map(move |used| (*module, *used)));
    all.filter(|(module, used)| leads_to(used, module)).map(|(module, used)| (module.clone(), used.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(path: &str) -> Names {
        path.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn paths_are_found_in_every_form_they_are_written_in() {
        let code = "use crate::{a, b::{C, d as e, *}, f::G,};\nuse super::{self, h};\nlet x = crate::i::j::<u8>(); \
                    $crate::no; my_crate::no; darkroom::k::l; pub(super) fn super::super::m(); self::n";
        let expected = [
            "crate::a",
            "crate::b",
            "crate::b::C",
            "crate::b::d",
            "crate::f::G",
            "crate::i::j",
            "darkroom::k::l",
            "self::n",
            "super",
            "super::h",
            "super::super::m",
        ];
        assert_eq!(paths(code), expected.map(names).into());
    }

    #[test]
    fn paths_lead_to_the_deepest_module() {
        let modules = ["a", "a::b", "a::b::c", "d"].map(names).into();
        for (path, target) in [
            ("crate::d::Item", "d"),
            ("crate::Item", ""),
            ("self::c::Item", "a::b::c"),
            ("super::Item", "a"),
            ("super::b::c", "a::b::c"),
            ("super::super::d::item", "d"),
        ] {
            assert_eq!(resolve(&names("a::b"), &names(path), &modules), names(target), "{path}");
        }
    }

    #[test]
    fn circles_between_files_are_found() {
        let uses = |lines: &[(&str, &[&str])]| -> BTreeMap<Names, BTreeSet<Names>> {
            lines.iter().map(|(module, used)| (names(module), used.iter().map(|used| names(used)).collect())).collect()
        };
        assert_eq!(circles(&uses(&[("a", &["b"]), ("b", &["c"]), ("c", &[])])), []);
        // A submodule uses its parent.
        assert_eq!(circles(&uses(&[("a", &["a::b"]), ("a::b", &["a"]), ("c", &["a::b"])])), []);
        let two = circles(&uses(&[("a", &["b"]), ("b", &["a"]), ("c", &["a"])]));
        assert_eq!(two, [("a", "b"), ("b", "a")].map(|(one, other)| (names(one), names(other))));
        // A circle through a submodule of another module.
        let three = circles(&uses(&[("a", &["b"]), ("b", &[]), ("b::c", &["a"])]));
        assert_eq!(three, [("a", "b"), ("b", "b::c"), ("b::c", "a")].map(|(one, other)| (names(one), names(other))));
    }
}
