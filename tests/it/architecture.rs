//! Which module may use which: nothing points up, and what is a fault in one place stays in one place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module with the modules that it may use besides itself and those that every module may use.
const ARROWS: [(&str, &[&str]); 20] = [
    ("main", &["cli", "config", "telemetry", "app"]),
    ("lib", &[]),
    ("cli", &["config", "operate", "record", "simulate"]),
    ("app", &["admin", "api", "backends", "config", "http", "operate", "pipeline", "ports", "worker"]),
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
    ("backends", &["config", "event", "http", "ports", "recipe", "record"]),
    ("simulate", &[]),
    ("admin", &["http"]),
    ("api", &["config", "event", "http", "ports", "recipe", "record"]),
    ("http", &[]),
    ("operate", &["event", "ports", "recipe", "record"]),
];

/// What every module may use.
const EVERYWHERE: [&str; 2] = ["clock", "metrics"];

/// These are pure: neither tokio, nor the system, nor a port.
const PURE: [&str; 3] = ["recipe", "record", "simulate"];

fn sources_under(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let sources = entries.flat_map(|path| if path.is_dir() { sources_under(&path) } else { vec![path] });
    sources.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Every source file with its module, and its code without comments and without its tests.
fn code() -> Vec<(PathBuf, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources_under(&src).into_iter().filter(|path| !path.ends_with("tests.rs"));
    files
        .map(|path| {
            let inside = path.strip_prefix(&src).unwrap().to_owned();
            let module = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
            let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            (inside, module, lines.collect::<Vec<_>>().join("\n"))
        })
        .collect()
}

/// The modules of this crate that the code names, as `crate::module` or, from the binary, as `darkroom::module`.
fn used_modules(code: &str) -> BTreeSet<String> {
    let code: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut used = BTreeSet::new();
    for root in ["crate::", "darkroom::"] {
        for (at, _) in code.match_indices(root) {
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
    name.chars().next().is_some_and(char::is_lowercase).then_some(name)
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
        for used in used_modules(&code) {
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
    for (path, module, code) in code() {
        if PURE.contains(&&*module) {
            for word in ["tokio::", "std::fs", "std::net", "std::env", "async fn", "SystemTime"] {
                assert!(!code.contains(word), "{} is pure and must not use {word}", path.display());
            }
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
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources_under(&src) {
        let text = fs::read_to_string(&path).unwrap();
        let begins = if path.extension().is_some_and(|extension| extension == "rs") { "//! " } else { "// " };
        assert!(text.starts_with(begins), "{} does not begin with its job", path.display());
        assert!(text.lines().count() <= MOST_LINES, "{} has more than {MOST_LINES} lines", path.display());
    }
}

#[test]
fn paths_are_found_in_every_form_they_are_written_in() {
    let code = "use crate::{a, b::{C, d}, e::F};\nuse crate::g::H; let x = crate::i::j(); $crate::no; my_crate::no; \
                darkroom::k::l; crate::Upper";
    assert_eq!(used_modules(code).into_iter().collect::<Vec<_>>(), ["a", "b", "e", "g", "i", "k"]);
}
