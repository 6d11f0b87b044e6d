//! The examples in the documents: a test runs each code block, or the document says why not.

mod operations;
mod others;
mod proxy;

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::documents::{documents, root, texts_under};

/// A code block of a document.
pub(crate) struct Block {
    pub(crate) document: String,
    pub(crate) heading: String,
    pub(crate) language: String,
    pub(crate) text: String,
    /// The reason why no test runs it: `<!-- read only: ... -->` on a line before it.
    pub(crate) read_only: Option<String>,
}

/// The code blocks of a document; its path is relative to the repository.
pub(crate) fn blocks(document: &Path) -> Vec<Block> {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let (mut found, mut heading, mut read_only) = (Vec::new(), String::new(), None);
    let mut open: Option<Block> = None;
    for line in text.lines() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some(block), None) => block.text.extend([line, "\n"]),
            (None, Some(language)) => {
                open = Some(Block {
                    document: document.display().to_string(),
                    heading: heading.clone(),
                    language: language.to_owned(),
                    text: String::new(),
                    read_only: read_only.take(),
                });
            }
            (None, None) => {
                if let Some(title) = line.strip_prefix('#') {
                    heading = title.trim_start_matches('#').trim().to_owned();
                }
                if let Some(remark) = line.strip_prefix("<!-- read only: ") {
                    read_only = Some(remark.trim_end_matches("-->").trim().to_owned());
                }
            }
        }
    }
    assert!(open.is_none(), "{}: a block has no end", document.display());
    found
}

/// Joins the blocks of a language under a heading.
pub(crate) fn text_of(document: &str, heading: &str, language: &str) -> String {
    let all = blocks(Path::new(document));
    let text: String = all
        .into_iter()
        .filter(|block| block.heading == heading && block.language == language && block.read_only.is_none())
        .map(|block| block.text)
        .collect();
    assert!(!text.is_empty(), "{document} has no {language} under {heading:?}");
    text
}

/// Runs a script, as a reader who stops at the first failing command; returns its output.
async fn run(script: &str, dir: &Path, environment: &[(&str, &str)]) -> String {
    let binaries = Path::new(env!("CARGO_BIN_EXE_darkroom")).parent().unwrap().display();
    let mut command = Command::new("bash");
    command.args(["-c", &format!("set -euo pipefail\n{script}")]).current_dir(dir).kill_on_drop(true);
    command.env("PATH", format!("{binaries}:{}", std::env::var("PATH").unwrap()));
    let done = command.envs(environment.iter().copied()).output().await.unwrap();
    let printed = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{script}\n{printed}");
    printed
}

/// The tests that run the blocks under a heading. `*` matches every heading of the document.
const RUN_BY: &[(&str, &str, &str, &str)] = &[
    ("README.md", "Try it", "sh", "readmes_commands_work_as_written"),
    ("README.md", "Uploads", "sh", "readmes_commands_work_as_written"),
    ("README.md", "Uploads", "python", "readmes_boto3_example_works_as_written"),
    ("docs/AWS.md", "Walk-through", "sh", "the_walk_through_works_as_written"),
    ("docs/DEPLOY.md", "Customer-managed KMS key", "json", "test_the_keys_statement_is_the_one_in_the_documents"),
    ("docs/DEPLOY.md", "*", "sh", "test_every_block_is_run_or_says_why_not"),
    ("docs/INCIDENT.md", "*", "console", "after_a_bad_day_everything_is_published_or_explained"),
    ("docs/KUBERNETES.md", "*", "sh", "test_every_block_of_kubernetes_is_run_or_says_why_not"),
    ("docs/OPERATIONS.md", "Access control", "sh", "a_token_is_made_and_used_as_operations_says"),
    ("docs/OPERATIONS.md", "Access control", "nginx", "behind_a_reverse_proxy_urls_have_the_public_address"),
    ("docs/OPERATIONS.md", "The data directory", "sh", "a_backup_is_made_and_restored_as_operations_says"),
    ("docs/OPERATIONS.md", "Images", "sh", "images_are_listed_as_operations_says"),
    ("docs/OPERATIONS.md", "Dead letters", "sh", "dead_letters_are_looked_after_as_operations_says"),
    ("docs/OPERATIONS.md", "Backfilling", "sh", "objects_are_backfilled_as_operations_says"),
    ("docs/OUTCOMES.md", "On AWS", "python", "a_subscriber_reads_verdicts_as_outcomes_says"),
    ("docs/OUTCOMES.md", "On one machine", "json", "the_file_of_outcomes_is_as_outcomes_shows_it"),
    ("docs/SCALING.md", "Your own settings and arrivals", "sh", "own_arrivals_are_simulated_as_scaling_says"),
    ("examples/python/README.md", "*", "sh", "test_the_readmes_commands_work_as_written"),
    ("examples/python/README.md", "*", "text", "test_the_readmes_commands_work_as_written"),
    ("examples/typescript/README.md", "*", "sh", "test_the_readmes_commands_work_as_written"),
    ("examples/typescript/README.md", "*", "text", "test_the_readmes_commands_work_as_written"),
];

/// Whether the block is Rust in the README of a crate whose documentation includes it.
fn is_run_by_rustdoc(block: &Block) -> bool {
    let library = root().join(&block.document).with_file_name("src/lib.rs");
    let includes_it =
        || std::fs::read_to_string(library).is_ok_and(|code| code.contains("include_str!(\"../README.md\")"));
    block.language.starts_with("rust") && includes_it()
}

/// Every language that a reader types or copies; a block without a language is a picture.
#[test]
fn every_block_is_run_by_a_test_or_says_why_not() {
    let code: String = ["src", "tests"].iter().flat_map(|dir| texts_under(&root().join(dir))).collect();
    let (mut unknown, mut count) = (Vec::new(), 0);
    for document in documents() {
        let document: PathBuf = document.strip_prefix(root()).unwrap().to_owned();
        for block in blocks(&document).iter().filter(|block| !block.language.is_empty()) {
            count += 1;
            if block.read_only.as_ref().is_some_and(|reason| reason.len() > 10) || is_run_by_rustdoc(block) {
                continue;
            }
            let test = RUN_BY.iter().find(|(document, heading, language, _)| {
                *document == block.document && ["*", &*block.heading].contains(heading) && *language == block.language
            });
            match test {
                Some((.., test)) => assert!(code.contains(&format!("{test}(")), "there is no test {test}"),
                None => unknown.push(format!("{}, {:?}, {}", block.document, block.heading, block.language)),
            }
        }
    }
    assert!(count > 30, "only {count} blocks were found");
    assert!(unknown.is_empty(), "no test is known to run these blocks:\n{}", unknown.join("\n"));
}
