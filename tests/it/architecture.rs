//! Dependencies between modules: they point in one direction only, and a few kinds of code have one place each.

mod paths;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use paths::{Names, circles, paths, resolve};

/// Each module with the modules that it may use, besides itself and [`EVERYWHERE`].
const ARROWS: [(&str, &[&str]); 22] = [
    ("main", &["cli", "config", "telemetry", "app"]),
    ("lib", &[]),
    ("cli", &["config", "operate", "recipe", "record", "simulate"]),
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
    ("names", &[]),
    ("shell", &[]),
    ("ports", &["record"]),
    ("backends", &["config", "event", "http", "ports", "recipe", "record"]),
    ("simulate", &[]),
    ("admin", &["http"]),
    ("api", &["config", "event", "http", "ports", "recipe", "record"]),
    ("http", &[]),
    ("operate", &["event", "ports", "recipe", "record"]),
];

/// Modules that every module may use.
const EVERYWHERE: [&str; 4] = ["clock", "metrics", "names", "shell"];

/// Pure modules: they use neither tokio, nor the system, nor a port.
const PURE: [&str; 3] = ["recipe", "record", "simulate"];

/// Libraries that the service includes.
const LIBRARIES: [&str; 2] = ["crates/codec/src", "crates/thumbnail/src"];

pub(crate) fn sources_under(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let sources = entries.flat_map(|path| if path.is_dir() { sources_under(&path) } else { vec![path] });
    sources.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// Every source file of the service with its module and its code, without comments and tests.
fn code() -> Vec<(PathBuf, String, String)> {
    code_under("src")
}

fn code_under(folder: &str) -> Vec<(PathBuf, String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
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

/// The names of a file's module; empty for the library's root.
fn module_of(path: &Path) -> Names {
    let names = path.with_extension("").iter().map(|name| name.to_str().unwrap().to_owned()).collect();
    if names == ["lib"] { Vec::new() } else { names }
}

/// Every module of a crate with the modules that its code names, at any depth.
fn uses(folder: &str) -> BTreeMap<Names, BTreeSet<Names>> {
    let files: Vec<(Names, String)> =
        code_under(folder).into_iter().map(|(path, _, code)| (module_of(&path), code)).collect();
    let modules: BTreeSet<Names> = files.iter().map(|file| file.0.clone()).collect();
    let used = |module: &Names, code: &str| paths(code).iter().map(|path| resolve(module, path, &modules)).collect();
    files.iter().map(|(module, code)| (module.clone(), used(module, code))).collect()
}

/// rustfmt breaks code, and leaves comments as they are.
#[test]
fn comments_are_at_most_120_columns_wide() {
    let folders = ["src", "crates", "tests", "fuzz/fuzz_targets"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in folders.iter().flat_map(|folder| sources_under(&root.join(folder))) {
        for (number, line) in fs::read_to_string(&path).unwrap().lines().enumerate() {
            let is_comment = line.trim_start().starts_with("//") && !line.contains("://");
            let is_wide = is_comment && line.chars().count() > 120;
            assert!(!is_wide, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

#[test]
fn nothing_points_up() {
    let mut wrong = Vec::new();
    for (module, used) in uses("src") {
        let Some(first) = module.first() else { continue };
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| name == first) else {
            wrong.push(format!("{} belongs to no known module", module.join("::")));
            continue;
        };
        for used in used.iter().filter_map(|used| used.first()).filter(|used| *used != first) {
            if !allowed.contains(&&**used) && !EVERYWHERE.contains(&&**used) {
                wrong.push(format!("{}: {first} must not use {used}", module.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files in a module use each other in one direction.
#[test]
fn files_use_each_other_in_no_circle() {
    for folder in ["src", "crates/codec/src", "crates/thumbnail/src"] {
        let circles: Vec<_> =
            circles(&uses(folder)).into_iter().map(|(one, other)| (one.join("::"), other.join("::"))).collect();
        assert_eq!(circles, [], "{folder}: the first uses the second, which leads back to the first");
    }
}

#[test]
fn pure_modules_touch_neither_tokio_nor_the_system() {
    let modules = code().into_iter().filter(|(_, module, _)| PURE.contains(&&**module));
    for (path, _, code) in modules.chain(LIBRARIES.into_iter().flat_map(code_under)) {
        for word in ["tokio::", "std::fs", "std::net", "std::env", "async fn", "SystemTime"] {
            assert!(!code.contains(word), "{} is pure and must not use {word}", path.display());
        }
    }
}

/// The `backoff` crate is unmaintained: only the file that deny.toml names may use it.
#[test]
fn backoff_stays_in_the_breaker() {
    let users: Vec<PathBuf> = code().into_iter().filter(|(.., code)| code.contains("backoff::")).map(|f| f.0).collect();
    assert_eq!(users, [Path::new("worker/breaker.rs")]);
}

/// Verdicts are counted in the one function that writes a worker's verdicts, so no step forgets or repeats the count.
#[test]
fn verdicts_are_counted_where_they_are_written() {
    let callers = code().into_iter().filter(|(.., code)| code.contains("metrics::verdict"));
    assert_eq!(callers.map(|file| file.0).collect::<Vec<_>>(), [Path::new("pipeline/write.rs")]);
}

#[test]
fn every_file_says_its_job_and_stays_small() {
    const MOST_LINES: usize = 400;
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in sources_under(&src) {
        let text = fs::read_to_string(&path).unwrap();
        let begins = if path.extension().is_some_and(|extension| extension == "rs") { "//! " } else { "// " };
        assert!(text.starts_with(begins), "{} does not begin with its job", path.display());
        assert!(text.lines().count() <= MOST_LINES, "{} has more than {MOST_LINES} lines", path.display());
    }
}
