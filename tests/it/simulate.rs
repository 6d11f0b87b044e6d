//! `darkroom simulate` from a shell: its arguments, its files, its pictures.

use std::fs;
use std::process::{Command, Output};

fn simulate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_darkroom")).arg("simulate").args(arguments).output().unwrap()
}

fn table(arguments: &[&str]) -> String {
    let output = simulate(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The command refuses the arguments before it prints anything on standard output; standard error names the mistake.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = simulate(arguments);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn numbers_have_limits() {
    for (option, right, wrong) in [
        ("--seconds-per-image", ["0.001", "3600"], ["0.0009", "3600.1"]),
        ("--task-start", ["0", "3600"], ["-1", "3601"]),
        ("--task-hour", ["0", "1000"], ["-0.1", "1000.1"]),
        ("--backlog-per-task", ["0.01", "1000000"], ["0.009", "1000001"]),
        ("--min-tasks", ["0", "10"], ["-1", "10001"]),
        ("--max-tasks", ["1", "10000"], ["0", "10001"]),
    ] {
        for value in right {
            table(&["--trace", "steady", &format!("{option}={value}")]);
        }
        for value in wrong.iter().chain(&["nan", "inf", "many"]) {
            let error = refused(&[&format!("{option}={value}")]);
            assert!(error.contains(option) && error.contains(value), "{error}");
        }
    }
}

#[test]
fn fewest_tasks_are_no_more_than_most() {
    table(&["--trace", "steady", "--min-tasks", "10"]);
    table(&["--trace", "steady", "--min-tasks", "20", "--max-tasks", "20"]);
    let error = refused(&["--min-tasks", "11"]);
    assert!(error.contains("the fewest tasks, 11, are more than the most, 10"), "{error}");
}

#[test]
fn an_unknown_trace_is_named_with_those_that_there_are() {
    let error = refused(&["--trace", "splash"]);
    assert!(error.contains("'splash'") && error.contains("spike"), "{error}");
    let help = table(&["--help"]);
    assert!(help.contains("[possible values: steady, daily, spike, silence, backfill, poison]"), "{help}");
}

#[test]
fn a_file_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).into_os_string().into_string().unwrap();
    fs::write(path("text"), "no JSON, and no arrivals").unwrap();
    fs::write(path("empty.json"), "{}").unwrap();
    for (option, name, problem) in [
        ("--plan", "none.json", "No such file"),
        ("--plan", "text", "not JSON"),
        ("--plan", "empty.json", "the plan has no resources"),
        ("--arrivals", "none.csv", "No such file"),
        ("--arrivals", "text", "the columns are \"no JSON,and no arrivals\""),
    ] {
        let error = refused(&[option, &path(name)]);
        assert!(error.contains(&format!("{option} {}", path(name))) && error.contains(problem), "{error}");
    }
}

/// One upload a second for ten minutes, on tasks that take ten seconds for an image: ten tasks are needed.
#[test]
fn your_own_arrivals_are_replayed_with_your_own_limits() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("arrivals.csv");
    fs::write(&file, "time,rate\n0,1\n3600,0\n7200,0\n").unwrap();
    let file = file.to_str().unwrap();
    let arguments = ["--arrivals", file, "--seconds-per-image", "10", "--max-tasks"];
    let cells = |most: &str, more: &[&str]| {
        let table = table(&[&arguments[..], &[most], more].concat());
        let rows = table.lines().skip(2).map(|row| row.split('|').map(|cell| cell.trim().to_owned()).collect());
        rows.collect::<Vec<Vec<String>>>()
    };
    let few = cells("4", &[]);
    assert_eq!((few.len(), &*few[0][1], &*few[0][5]), (1, "arrivals", "4"));
    assert_eq!(cells("30", &["--min-tasks", "25"])[0][2..6], ["0 s", "0 s", "0 s", "25"], "25 tasks keep up");
    assert_eq!(cells("5", &["--trace", "spike"]).iter().map(|row| &*row[1]).collect::<Vec<_>>(), ["spike", "arrivals"]);
}

#[test]
fn a_queue_that_is_not_drained_in_60_days_is_reported_so() {
    let table = table(&["--trace", "backfill", "--seconds-per-image", "3600"]);
    assert!(table.contains("| over 60 d |"), "{table}");
}

/// Axes with units and round ticks, arrivals, thousands separators.
#[test]
fn a_picture_can_be_read_without_the_table() {
    let dir = tempfile::tempdir().unwrap();
    table(&["--trace", "backfill", "--trace", "silence", "--out", dir.path().to_str().unwrap()]);
    let picture = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
    let backfill = picture("backfill.svg");
    for text in
        ["arrivals (uploads per second)", ">400<", "backlog (messages)", ">1,000,000<", "tasks", ">10<", ">6 h<"]
    {
        assert!(backfill.contains(text), "{text} is missing in {backfill}");
    }
    let silence = picture("silence.svg");
    assert!(silence.contains(">1<") && !silence.contains("NaN") && !silence.contains("inf"), "{silence}");
    assert!(!dir.path().join("steady.svg").exists());
}

/// As in `darkroom simulate | head -1`.
#[test]
fn a_reader_that_closes_the_pipe_is_no_error_worth_a_message() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    let output = command.env_clear().args(["simulate", "--trace", "poison"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), &*String::from_utf8_lossy(&output.stderr)), (Some(1), ""));
}

/// The input is protected through any link. Other files are replaced; of a link, only the link and not its target.
#[test]
fn a_picture_replaces_no_file_that_was_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).into_os_string().into_string().unwrap();
    fs::write(path("in.csv"), "time\n0\n1\n").unwrap();
    std::os::unix::fs::symlink(path("in.csv"), path("arrivals.svg")).unwrap();
    let error = refused(&["--arrivals", &path("in.csv"), "--out", &path("")]);
    assert!(error.contains("arrivals.svg") && error.contains("--arrivals"), "{error}");
    assert_eq!(fs::read_to_string(path("in.csv")).unwrap(), "time\n0\n1\n");
    fs::write(path("kept"), "kept").unwrap();
    std::os::unix::fs::symlink(path("kept"), path("poison.svg")).unwrap();
    table(&["--trace", "poison", "--out", &path("")]);
    assert_eq!(fs::read_to_string(path("kept")).unwrap(), "kept");
    assert!(fs::read_to_string(path("poison.svg")).unwrap().contains("<svg"));
}

/// Figures are per minute, so the shortest trace has one.
#[test]
fn a_trace_of_a_second_has_tasks() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("one.csv");
    fs::write(&file, "time\n0\n").unwrap();
    let table =
        table(&["--arrivals", file.to_str().unwrap(), "--min-tasks", "2", "--out", dir.path().to_str().unwrap()]);
    assert!(table.contains("| arrivals | 0 s | 0 s | 0 s | 2 |"), "{table}");
    assert!(!fs::read_to_string(dir.path().join("arrivals.svg")).unwrap().contains("NaN"));
}
