//! Which module of the service may use which: nothing points up, and what is a fault in one place stays in one place.
//! That the libraries in `crates/` use nothing of the service, and the codecs nothing of the renderer, Cargo sees to.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the modules that it may use besides itself and those that every module may use.
const ARROWS: [(&str, &[&str]); 18] = [
    ("main", &["cli", "config", "telemetry", "app"]),
    ("lib", &[]),
    ("cli", &["config", "operate", "record", "simulate"]),
    ("app", &["api", "backends", "config", "operate", "pipeline", "ports", "worker"]),
    ("telemetry", &["config"]),
    ("metrics", &["ports", "recipe", "record"]),
    ("config", &["recipe", "record"]),
    ("worker", &["event", "pipeline", "ports"]),
    ("pipeline", &["event", "ports", "recipe", "record"]),
    ("event", &["record"]),
    ("recipe", &["record"]),
    ("record", &[]),
    ("clock", &[]),
    ("ports", &["record"]),
    ("backends", &["config", "event", "ports", "recipe", "record"]),
    ("simulate", &[]),
    ("api", &["config", "event", "ports", "recipe", "record"]),
    ("operate", &["event", "ports", "recipe", "record"]),
];

/// What every module may use.
const EVERYWHERE: [&str; 2] = ["clock", "metrics"];

/// These are pure, like the libraries: neither tokio, nor the system, nor a port.
const PURE: [&str; 3] = ["recipe", "record", "simulate"];

/// The libraries that the service is shipped with.
const LIBRARIES: [&str; 2] = ["crates/codec/src", "crates/thumbnail/src"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources_under(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let sources = entries.flat_map(|path| if path.is_dir() { sources_under(&path) } else { vec![path] });
    sources.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Every source file of a directory, and its code without comments and without its tests.
fn code_under(dir: &str) -> Vec<(PathBuf, String)> {
    let src = root().join(dir);
    let files = sources_under(&src).into_iter().filter(|path| !path.ends_with("tests.rs"));
    files
        .map(|path| {
            let inside = path.strip_prefix(&src).unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            (inside, lines.collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

/// Every source file of the service with its module, and its code.
fn code() -> Vec<(PathBuf, String, String)> {
    let module = |path: &Path| path.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
    code_under("src").into_iter().map(|(path, code)| (path.clone(), module(&path), code)).collect()
}

/// How many modules a file is below the crate's root: `pipeline/fetch.rs` is two.
fn depth(path: &Path) -> usize {
    if matches!(path.to_str(), Some("lib.rs" | "main.rs")) { 0 } else { path.iter().count() }
}

/// The modules of this crate that the code of a file `depth` modules below the root names: as `crate::module`, as
/// `darkroom::module` from the binary, or as `super::module` where that leads up to the root.
fn used_modules(code: &str, depth: usize) -> BTreeSet<String> {
    let code: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut used = BTreeSet::new();
    let up = "super::".repeat(depth);
    for root in ["crate::", "darkroom::", &up] {
        for (at, _) in code.match_indices(root).filter(|(_, root)| !root.is_empty()) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || matches!(before, '_' | '$' | ':') {
                continue;
            }
            let path = &code[at + root.len()..];
            match path.strip_prefix('{') {
                Some(group) => used.extend(group_heads(group)),
                None => used.extend(head(path)),
            }
        }
    }
    used
}

/// The first name of a path.
fn head(path: &str) -> Option<String> {
    let name: String = path.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (name != "super" && name.chars().next().is_some_and(char::is_lowercase)).then_some(name)
}

/// The first names of the paths in `{a::b, c::{d, e}}`, without its opening brace.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut start, mut heads) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                heads.extend(head(&group[start..at]));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    heads
}

#[test]
fn nothing_points_up() {
    let mut wrong = Vec::new();
    for (path, module, code) in code() {
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{} belongs to no known module", path.display()));
            continue;
        };
        for used in used_modules(&code, depth(&path)) {
            let is_module = ARROWS.iter().any(|(name, _)| *name == used);
            if is_module && used != module && !allowed.contains(&&*used) && !EVERYWHERE.contains(&&*used) {
                wrong.push(format!("{}: {module} must not use {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn pure_modules_touch_neither_tokio_nor_the_system() {
    let modules =
        code().into_iter().filter(|(_, module, _)| PURE.contains(&&**module)).map(|(path, _, code)| (path, code));
    for (path, code) in modules.chain(LIBRARIES.into_iter().flat_map(code_under)) {
        for word in ["tokio::", "std::fs", "std::net", "std::env", "async fn", "SystemTime"] {
            assert!(!code.contains(word), "{} is pure and must not use {word}", path.display());
        }
    }
}

/// Nobody works on `backoff` any more: it stays where deny.toml says it is.
#[test]
fn backoff_stays_in_the_breaker() {
    let users: Vec<PathBuf> = code().into_iter().filter(|(.., code)| code.contains("backoff::")).map(|f| f.0).collect();
    assert_eq!(users, [Path::new("worker/breaker.rs")]);
}

#[test]
fn every_file_says_its_job_and_stays_small() {
    const MOST_LINES: usize = 450;
    for path in ["src", "crates"].into_iter().flat_map(|dir| sources_under(&root().join(dir))) {
        let text = fs::read_to_string(&path).unwrap();
        let begins = if path.extension().is_some_and(|extension| extension == "rs") { "//! " } else { "// " };
        assert!(text.starts_with(begins), "{} does not begin with its job", path.display());
        assert!(text.lines().count() <= MOST_LINES, "{} has more than {MOST_LINES} lines", path.display());
    }
}

#[test]
fn paths_are_found_in_every_form_they_are_written_in() {
    let code = "use crate::{a, b::{C, d}, e::F};\nuse crate::g::H; let x = crate::i::j(); $crate::no; my_crate::no; \
                darkroom::k::l; crate::Upper; super::super::{m::N, o}; use super::sibling; super::super::super::p";
    let found = |depth| used_modules(code, depth).into_iter().collect::<Vec<_>>();
    assert_eq!(found(0), ["a", "b", "e", "g", "i", "k"]);
    assert_eq!(found(2), ["a", "b", "e", "g", "i", "k", "m", "o"]);
    assert_eq!(found(3), ["a", "b", "e", "g", "i", "k", "p"]);
    assert_eq!(["main.rs", "cli.rs", "api/serve.rs"].map(|path| depth(Path::new(path))), [0, 1, 2]);
}
