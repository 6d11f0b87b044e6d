//! The documents are true: their tables agree with the code, and their links have targets.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use darkroom::cli::Cli;
use darkroom::metrics::definitions::{Definition, Kind, TABLE};
use darkroom::metrics::process;
use darkroom::operate::dead_letters::dead_letter::Cause;
use darkroom::ports::{ErrorKind as PortErrorKind, Operation};
use darkroom::record::{Reason, Status};

use crate::architecture::sources_under;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The row of a metric in docs/METRICS.md.
fn row(metric: &Definition) -> String {
    let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
    let (kind, unit) = (metric.kind.as_str(), metric.unit.as_str());
    format!("| `{}` | {kind} | {unit} | {} | {} |", metric.name, labels.join(", "), metric.help)
}

#[test]
fn every_metric_stands_in_its_document_and_no_other() {
    let metrics = TABLE.iter().chain(process::TABLE);
    let expected: Vec<String> = metrics.map(|metric| row(metric)).collect();
    let document = read("docs/METRICS.md");
    let rows: Vec<&str> =
        document.lines().filter(|line| line.starts_with("| `darkroom_") || line.starts_with("| `process_")).collect();
    assert_eq!(rows, expected, "docs/METRICS.md should hold these rows:\n{}", expected.join("\n"));
}

#[test]
fn every_label_value_stands_in_the_document() {
    let document = read("docs/METRICS.md");
    for metric in TABLE.iter().filter(|metric| metric.name != "darkroom_build_info") {
        for value in (metric.series)().into_iter().flatten().filter(|value| *value != "unknown") {
            assert!(document.contains(&format!("`{value}`")), "{}: {value} is not explained", metric.name);
        }
    }
}

#[test]
fn every_bucket_list_stands_in_the_document() {
    let document = read("docs/METRICS.md");
    for metric in TABLE {
        if let Kind::Histogram(bounds) = metric.kind {
            let list = bounds.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            assert!(document.contains(&list), "{}: its buckets {list} are not listed", metric.name);
        }
    }
}

#[test]
fn the_table_of_scaling_is_what_simulate_prints() {
    for (arguments, document) in [
        (&["simulate"][..], "docs/SCALING.md"),
        (&["simulate", "--backlog-per-task", "240"], "docs/decisions/scaling-on-needed-tasks.md"),
    ] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_darkroom")).args(arguments).output().unwrap();
        let table = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && table.lines().count() > 2, "{table}");
        assert!(read(document).contains(&table), "{document} should hold this table:\n{table}");
    }
}

#[test]
fn the_cost_of_an_image_is_reckoned_from_the_benchmarks() {
    let benchmarks = read("docs/BENCHMARKS.md");
    let row = benchmarks.lines().find(|line| line.starts_with("| 12 MP baseline 4:2:0 |")).unwrap();
    // A median, with its spread in parentheses.
    let median = |cell: &str| cell.split_whitespace().next().unwrap().parse::<f64>().unwrap();
    let milliseconds: Vec<f64> = row.split('|').skip(2).take(2).map(median).collect();
    let table = benchmarks.split("### On AWS's protocol").nth(1).unwrap().split("\n\n").nth(2).unwrap();
    let ratios: Vec<f64> = table.lines().skip(2).map(|row| median(row.split('|').nth(4).unwrap())).collect();
    let ratio = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let ours = format!("{:.3} x {ratio:.1} / 0.7", milliseconds[0] / 1000.0);
    let sharps = format!("({} ms", milliseconds[1]);
    let deploy = read("docs/DEPLOY.md");
    for figure in [ours, sharps] {
        assert!(deploy.contains(&figure), "docs/DEPLOY.md reckons with other figures than {figure}");
    }
}

#[test]
fn the_counts_of_instructions_are_the_recorded_ones() {
    let (document, recorded) = (read("docs/BENCHMARKS.md").replace('\n', " "), read("benches/instructions.txt"));
    let recorded: Vec<(&str, f64)> = recorded
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(kind, count)| (kind, count.parse().unwrap()))
        .collect();
    let names = ["baseline JPEG", "4:2:2 JPEG with restart markers", "progressive JPEG", "RGB PNG", "RGBA PNG"];
    let kinds = ["baseline", "restarts", "progressive", "rgb", "rgba"];
    assert_eq!(recorded.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), kinds);
    for ((_, count), name) in recorded.iter().zip(names) {
        let figure = format!("{:.0} million for {name}", count / 1e6);
        assert!(document.contains(&figure), "docs/BENCHMARKS.md should say: {figure}");
    }
}

/// The names of a list, as a document enumerates them.
fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names.map(|name| format!("`{name}`")).collect()
}

/// The code spans of a text, backticks included.
fn between_backticks(text: &str) -> BTreeSet<String> {
    text.split('`').skip(1).step_by(2).map(|name| format!("`{name}`")).collect()
}

#[test]
fn the_readme_explains_every_status_with_its_reasons() {
    let readme = read("README.md");
    let table = readme.split("| status | meaning |").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    let shown: Vec<&str> =
        Status::ALL.into_iter().filter(|status| *status != Status::Deleted).map(Status::as_str).collect();
    let listed: Vec<&str> = rows.iter().map(|row| row.split('`').nth(1).unwrap()).collect();
    assert_eq!(listed, shown);
    for (status, is_rejection) in [(Status::InvalidContentType, true), (Status::Failed, false)] {
        let row = rows.iter().find(|row| row.starts_with(&format!("| `{status}`"))).unwrap();
        let reasons = Reason::ALL.into_iter().filter(|reason| reason.is_rejection() == is_rejection);
        let mut expected = quoted(reasons.map(Reason::as_str));
        expected.extend(quoted([status.as_str()].into_iter()));
        let mut named = between_backticks(row);
        named.remove("`reason`");
        assert_eq!(named, expected, "{row}");
    }
}

/// For each label, the metrics' document explains the values in one sentence.
#[test]
fn the_metrics_document_lists_every_reason_of_both_kinds_and_every_error() {
    let document = read("docs/METRICS.md");
    let reasons =
        document.split("`reason` of a rejected image is one of").nth(1).unwrap().split("\n\n").next().unwrap();
    let (rejections, failures) = reasons.split_once("of a failed image").unwrap();
    for (text, is_rejection) in [(rejections, true), (failures, false)] {
        let expected = Reason::ALL.into_iter().filter(|reason| reason.is_rejection() == is_rejection);
        let mut named = between_backticks(text);
        named.remove("`reason`");
        assert_eq!(named, quoted(expected.map(Reason::as_str)));
    }
    let kinds = document.split("`kind` is what the caller can do about the error:").nth(1).unwrap();
    let kinds = kinds.split(".\n").next().unwrap();
    assert_eq!(between_backticks(kinds), quoted(PortErrorKind::ALL.into_iter().map(PortErrorKind::as_str)));
}

/// `darkroom dlq show` gives the same advice as the table, without the table's code spans.
#[test]
fn the_table_of_dead_letters_is_what_dlq_show_says() {
    let document = read("docs/OPERATIONS.md");
    let table = document.split("| reason | means | do |\n|---|---|---|\n").nth(1).unwrap();
    let rows: Vec<String> =
        table.lines().take_while(|line| line.starts_with("| ")).map(|row| row.replace('`', "")).collect();
    let row = |cause: Cause| format!("| {} | {} | {} |", cause.as_str(), cause.meaning(), cause.advice());
    assert_eq!(rows, Cause::all().map(row).collect::<Vec<_>>());
    let hopeless: Vec<&str> = Cause::all().filter(|cause| cause.is_hopeless()).map(Cause::as_str).collect();
    let sentence = format!("`{}`, `{}` and `{}` are", hopeless[0], hopeless[1], hopeless[2]);
    let help = help_of("redrive");
    assert!(hopeless.len() == 3 && document.contains(&sentence) && help.contains(&sentence), "{sentence}: {help}");
}

#[test]
fn the_help_of_dlq_list_names_every_reason() {
    let help = help_of("list");
    let reasons = help.split("Reasons: ").nth(1).unwrap().split("\n\n").next().unwrap();
    assert_eq!(between_backticks(reasons), quoted(Cause::all().map(Cause::as_str)));
    for cause in Cause::all() {
        assert_eq!(Cause::from_name(cause.as_str()), Some(cause));
    }
}

/// The long description of a subcommand of `darkroom dlq`, with one line for each paragraph.
fn help_of(subcommand: &str) -> String {
    let command = Cli::command();
    let dlq = command.find_subcommand("dlq").unwrap();
    dlq.find_subcommand(subcommand).unwrap().get_long_about().unwrap().to_string()
}

#[test]
fn the_metrics_document_lists_the_calls_of_every_port() {
    let document = read("docs/METRICS.md");
    let table = document.split("| port | operations |\n|---|---|\n").nth(1).unwrap();
    let rows: Vec<&str> = table.lines().take_while(|line| line.starts_with("| ")).collect();
    let mut expected: Vec<(&str, String)> = Vec::new();
    for (port, call) in Operation::ALL.into_iter().filter_map(Operation::port_and_call) {
        match expected.last_mut() {
            Some((last, calls)) if *last == port => calls.push_str(&format!(", `{call}`")),
            _ => expected.push((port, format!("`{call}`"))),
        }
    }
    let expected: Vec<String> = expected.iter().map(|(port, calls)| format!("| `{port}` | {calls} |")).collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_upload_page_has_words_for_every_reason() {
    let page = read("src/api/page/words.js");
    let reasons = page.split("const REASONS = {").nth(1).unwrap().split("};").next().unwrap();
    let worded = reasons.lines().filter_map(|line| Some(line.trim().split_once(": ")?.0));
    // The page itself uses `unknown` for an image that the server does not know.
    let worded: Vec<&str> = worded.filter(|reason| *reason != "unknown").collect();
    assert_eq!(worded, Reason::ALL.map(Reason::as_str));
}

/// The names of darkroom's variables in a text.
fn variables(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices("DARKROOM_").map(|(at, _)| at);
    let name = |at: usize| text[at..].chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect::<String>();
    starts.map(name).filter(|name| name.len() > "DARKROOM_".len()).collect()
}

/// The settings that the code reads.
fn settings() -> BTreeSet<String> {
    ["src/config/settings.rs", "src/config/tokens.rs"].iter().flat_map(|file| variables(&read(file))).collect()
}

/// Errors, help texts and documents name settings. A name that no code reads is misspelt, or the setting was removed.
#[test]
fn every_setting_that_is_named_exists() {
    let mut known = settings();
    // A deliberate misspelling in a test of the settings.
    known.insert("DARKROOM_SIZE".to_owned());
    // Variables of scripts/browser-test and of the clients in examples/.
    known.extend(["DARKROOM_PICTURE", "DARKROOM_TOKEN", "DARKROOM_URL"].map(str::to_owned));
    let code = texts_under(&root().join("src"));
    let texts = code.into_iter().chain(documents().into_iter().map(|document| fs::read_to_string(document).unwrap()));
    let unknown: BTreeSet<String> = texts.flat_map(|text| variables(&text)).filter(|it| !known.contains(it)).collect();
    assert_eq!(unknown, BTreeSet::new());
}

#[test]
fn the_readme_lists_every_setting_and_no_other() {
    let code: String = settings().into_iter().collect::<Vec<_>>().join("\n");
    let readme = read("README.md");
    let table: String = readme.lines().filter(|line| line.starts_with("| `DARKROOM_")).collect::<Vec<_>>().join("\n");
    let listed = variables(&table).into_iter().collect::<Vec<_>>().join("\n");
    assert_eq!(listed, code);
}

/// The code spans of a document, without its code blocks.
fn code_spans(document: &str) -> impl Iterator<Item = &str> {
    // The odd parts are the code blocks. Without them, every backtick belongs to a code span.
    document.split("```").step_by(2).flat_map(|text| text.split('`').skip(1).step_by(2))
}

/// The commands that a document asks the reader to type: each code span, and each line of a code block.
fn commands(document: &str) -> Vec<String> {
    let quoted = code_spans(document);
    let lines = document.split("```").skip(1).step_by(2).flat_map(|block| block.lines());
    let lines = lines.map(|line| line.trim_start_matches("$ ").split(" #").next().unwrap());
    let all = quoted.chain(lines).map(str::trim).filter(|text| text.starts_with("darkroom "));
    all.filter(|text| !text.contains('\n')).map(str::to_owned).collect()
}

/// Every command line must parse. A code span that describes a syntax (`[--json]`, `list|show`) is not a command line.
#[test]
fn every_command_in_a_document_is_understood() {
    let (mut count, mut wrong) = (0, Vec::new());
    for document in documents() {
        // The list of changes may name commands of older versions.
        if document.ends_with("CHANGELOG.md") {
            continue;
        }
        for command in commands(&fs::read_to_string(&document).unwrap()) {
            let words = command.split([';', '|', '&']).next().unwrap().split(" > ").next().unwrap();
            if command.contains(['[', '|', '…']) || words.contains("...") {
                continue;
            }
            count += 1;
            match Cli::try_parse_from(words.split_whitespace()) {
                // The text only names the command, such as `darkroom dlq`.
                Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {}
                Err(error) if error.kind() == ErrorKind::DisplayHelp => {}
                Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {}
                Err(error) => wrong.push(format!("{}: {command}: {error}", document.display())),
                Ok(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 60, "only {count} commands were found");
}

pub(crate) fn documents() -> Vec<PathBuf> {
    let of =
        |dir: PathBuf| fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let dirs = ["", "docs", "docs/decisions", "examples", "examples/browser", "examples/python", "examples/typescript"];
    let mut all = dirs.map(|dir| of(root().join(dir))).concat();
    all.extend(of(root().join("crates")).into_iter().flat_map(of));
    all.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    all
}

/// The anchors that GitHub gives the headings of a document. It numbers repeated ones.
fn anchors(document: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let outside_blocks = document.split("```").step_by(2);
    for heading in outside_blocks.flat_map(|text| text.lines()).filter(|line| line.starts_with('#')) {
        let title = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c));
        let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let numbered = (1..).map(|number| format!("{slug}-{number}"));
        let unused = std::iter::once(slug.clone()).chain(numbered).find(|anchor| !all.contains(anchor));
        all.extend(unused);
    }
    all
}

#[test]
fn anchors_are_those_of_github() {
    let document = "# What `dlq list` shows\n## Keys, e.g. `a_b`\n```sh\n# a comment\n```\n### Re-use\n### Re-use\n";
    let expected = ["keys-eg-a_b", "re-use", "re-use-1", "what-dlq-list-shows"];
    assert_eq!(anchors(document).into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let (mut count, mut dead) = (0, Vec::new());
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split([')', ' ']).next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let to = if path.is_empty() { document.clone() } else { document.parent().unwrap().join(path) };
            let has_anchor = || anchors(&fs::read_to_string(&to).unwrap()).contains(anchor);
            if !to.exists() || !(anchor.is_empty() || has_anchor()) {
                dead.push(format!("{}: {target}", document.display()));
            }
            count += usize::from(!anchor.is_empty());
        }
    }
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    assert!(count > 30, "only {count} links to headings were found");
}

#[test]
fn every_source_file_in_a_document_exists() {
    let sources: Vec<PathBuf> = ["src", "tests", "crates", "fuzz/fuzz_targets"]
        .iter()
        .flat_map(|dir| sources_under(&root().join(dir)))
        .collect();
    let (mut count, mut unknown) = (0, Vec::new());
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for path in code_spans(&text).filter(|span| span.ends_with(".rs")) {
            count += 1;
            if !sources.iter().any(|source| source.ends_with(path)) {
                unknown.push(format!("{}: {path}", document.display()));
            }
        }
    }
    assert!(count > 20, "only {count} source files were found");
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
}

/// Every promise in docs/ARCHITECTURE.md names the tests that prove it.
#[test]
fn every_promise_names_tests_that_there_are() {
    let code: String = ["src", "tests", "crates"].iter().flat_map(|dir| texts_under(&root().join(dir))).collect();
    let document = read("docs/ARCHITECTURE.md");
    let promises = document.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit());
    let mut count = 0;
    for promise in promises {
        let tests = promise.trim_end_matches(" |").rsplit_once(" | ").unwrap().1;
        for test in tests.split(", ") {
            let name = test.trim_matches('`');
            assert!(code.contains(&format!("fn {name}(")), "there is no test {name}: {promise}");
        }
        count += 1;
    }
    assert!(count >= 8, "only {count} promises were found");
}

pub(crate) fn texts_under(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(
            |path| if path.is_dir() { texts_under(&path) } else { fs::read_to_string(path).into_iter().collect() },
        )
        .collect()
}
