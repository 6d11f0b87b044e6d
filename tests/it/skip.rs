//! Skipping a test that this machine cannot run.

use crate::documents::{root, texts_under};

/// Prints why a test is skipped. Panics in CI, where every test must run.
///
/// `.config/nextest.toml` lists the tests whose output is shown although they pass.
#[track_caller]
pub(crate) fn skip(reason: &str) {
    assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "CI must not skip a test: {reason}");
    eprintln!("skipped: {reason}");
}

#[test]
fn the_tests_whose_output_is_shown_exist() {
    let config = std::fs::read_to_string(root().join(".config/nextest.toml")).unwrap();
    let code = texts_under(&root().join("tests/it")).concat();
    let mut count = 0;
    for path in config.split("test(=").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        let name = path.rsplit("::").next().unwrap();
        assert!(code.contains(&format!("fn {name}(")), "there is no test {path}");
        count += 1;
    }
    assert!(count > 5, "only {count} tests were found");
}
