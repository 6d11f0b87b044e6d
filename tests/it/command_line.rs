//! The command line as a user types it: help, addresses, exit codes, and the texts of errors.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::process::{Process, free_port};

fn command(arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command.args(arguments).stdin(Stdio::null()).env_clear().envs(settings.iter().copied());
    command
}

/// Runs a command that must end with `code`; returns its output.
async fn ended(arguments: &[&str], settings: &[(&str, &str)], code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = command(arguments, settings).output().await.unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(status.code(), Some(code), "{arguments:?}: {stdout}{stderr}");
    (stdout, stderr)
}

#[tokio::test]
async fn help_is_a_command_too() {
    for (arguments, same) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "local"], &["local", "--help"]),
        (&["help", "dlq", "list"], &["dlq", "list", "--help"]),
        (&["dlq", "help", "drop"], &["dlq", "drop", "--help"]),
    ] {
        let (help, _) = ended(arguments, &[], 0).await;
        assert_eq!(help, ended(same, &[], 0).await.0);
        assert!(help.contains("Usage: darkroom"), "{help}");
    }
    let (_, error) = ended(&["help", "sleep"], &[], 2).await;
    assert!(error.contains("unrecognized subcommand 'sleep'"), "{error}");
}

#[tokio::test]
async fn the_version_names_the_renderer() {
    let (version, _) = ended(&["--version"], &[], 0).await;
    let revision = darkroom::recipe::RENDER_REVISION;
    let version = version.trim_end().strip_prefix(&format!("darkroom {} (", env!("CARGO_PKG_VERSION"))).unwrap();
    assert!(version.ends_with(&format!("renderer {revision})")), "{version}");
}

/// Wrong settings do not stop them, because packages run them where there are none.
#[tokio::test]
async fn completions_and_manual_pages_need_no_settings() {
    let wrong = [("DARKROOM_LISTEN", "nowhere")];
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let (script, _) = ended(&["completions", shell], &wrong, 0).await;
        for word in ["darkroom", "simulate", "redrive"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let (script, _) = ended(&["completions", "bash"], &wrong, 0).await;
    let complete = format!(
        "{script}\nCOMP_WORDS=(darkroom dlq re) COMP_CWORD=2; _darkroom darkroom re dlq; echo ${{COMPREPLY[@]}}"
    );
    let bash = Command::new("bash").args(["-c", &complete]).output().await.unwrap();
    assert_eq!(String::from_utf8(bash.stdout).unwrap(), "redrive\n", "{:?}", bash.stderr);

    let dir = tempfile::tempdir().unwrap();
    let pages = dir.path().join("share/man1");
    ended(&["man", "--out", pages.to_str().unwrap()], &wrong, 0).await;
    for page in ["darkroom.1", "darkroom-render.1", "darkroom-dlq-redrive.1"] {
        let text = std::fs::read_to_string(pages.join(page)).unwrap();
        assert!(text.starts_with(".ie") && text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    std::fs::write(dir.path().join("file"), "").unwrap();
    let (_, error) = ended(&["man", "--out", dir.path().join("file").to_str().unwrap()], &wrong, 1).await;
    assert!(error.contains("file cannot be written: "), "{error}");
}

/// `darkroom local` in a directory, with these listen addresses.
async fn local(dir: &Path, listen: &str, port: u16, admin: &str, admin_port: u16) -> Process {
    let dir_text = dir.join("data").display().to_string();
    let arguments = ["local", "--dir", &dir_text, "--listen", listen, "--admin-listen", admin];
    // Arguments override settings, including invalid ones.
    let settings = [("DARKROOM_LISTEN", "nowhere"), ("DARKROOM_ADMIN_LISTEN", "nowhere")];
    let address = format!("http://127.0.0.1:{admin_port}");
    let process = Process::start(command(&arguments, &settings), &dir.join("log"), address, "/readyz").await;
    assert!(reqwest::get(format!("http://127.0.0.1:{port}/")).await.unwrap().status().is_success());
    process
}

#[tokio::test]
async fn an_address_may_be_a_port_alone() {
    let forms: [fn(u16) -> String; 3] =
        [|port| format!("localhost:{port}"), |port| format!(":{port}"), |port| port.to_string()];
    for form in forms {
        let dir = tempfile::tempdir().unwrap();
        let (port, admin_port) = (free_port(), free_port());
        let process = local(dir.path(), &form(port), port, &form(admin_port), admin_port).await;
        let (health, _) = ended(&["check", "--health", "--admin-listen", &form(admin_port)], &[], 0).await;
        assert_eq!(health, "");
        process.stop().await;
    }
}

#[tokio::test]
async fn a_wrong_address_is_reported_by_the_name_that_was_used() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data").display().to_string();
    let wrong = "must be an address and a port, such as 127.0.0.1:8080";
    for (arguments, settings, says) in [
        (&["local", "--listen", "nowhere"][..], &[][..], "--listen=\"nowhere\" must be"),
        (&["local", "--admin-listen", "nowhere:1"], &[], "--admin-listen=\"nowhere:1\" must be"),
        (&["local", "--listen="], &[], "a value is required for '--listen <ADDR>'"),
        (&["local"], &[("DARKROOM_LISTEN", "nowhere")], "DARKROOM_LISTEN=\"nowhere\" must be"),
        (
            &["local", "--listen", "9464"],
            &[],
            "DARKROOM_ADMIN_LISTEN must differ from --listen, which is 127.0.0.1:9464",
        ),
        (&["check", "--admin-listen", "1"], &[], "--health"),
    ] {
        let settings = [settings, &[("DARKROOM_DIR", &*data)]].concat();
        let (_, error) = ended(arguments, &settings, 2).await;
        assert!(error.contains(says), "{arguments:?}: {error}");
        assert!(!says.ends_with("\" must be") || error.contains(wrong), "{error}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_reported_by_the_name_that_was_used() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data").display().to_string();
    for (arguments, settings, name) in [
        (&["local", "--listen", &*port][..], &[("DARKROOM_ADMIN_LISTEN", "0")][..], "--listen"),
        (&["local", "--admin-listen", &port, "--listen", "0"], &[], "--admin-listen"),
        (&["local"], &[("DARKROOM_LISTEN", &*port), ("DARKROOM_ADMIN_LISTEN", "0")], "DARKROOM_LISTEN"),
        (&["worker"], &[("DARKROOM_ADMIN_LISTEN", &*port), ("DARKROOM_BACKEND", "local")], "DARKROOM_ADMIN_LISTEN"),
    ] {
        let settings = [settings, &[("DARKROOM_DIR", &*data)]].concat();
        let (_, error) = ended(arguments, &settings, 1).await;
        let says = format!(
            "darkroom: cannot listen on {address}: it is in use: stop what listens there, or choose another address \
             with {name}\n"
        );
        assert!(error.ends_with(&says), "{arguments:?}: {error}");
    }
}

#[tokio::test]
async fn a_data_directory_that_cannot_be_used_ends_every_command_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    std::fs::write(path("file"), "").unwrap();
    std::os::unix::fs::symlink("loop", path("loop")).unwrap();
    std::fs::create_dir(path("other")).unwrap();
    let other = rusqlite::Connection::open(dir.path().join("other/darkroom.db")).unwrap();
    other.execute_batch("CREATE TABLE theirs (x)").unwrap();
    for (data, says) in [
        (path("file"), "cannot be a data directory, choose another one with DARKROOM_DIR: not a directory"),
        (path("file/data"), "cannot be a data directory, choose another one with DARKROOM_DIR: Not a directory"),
        (path("loop"), "cannot be a data directory, choose another one with DARKROOM_DIR: Too many levels"),
        (
            path(&"n".repeat(256)),
            "cannot be a data directory, choose another one with DARKROOM_DIR: File name too long",
        ),
        (path("other"), "is a database of another program: choose another directory with DARKROOM_DIR"),
    ] {
        for command in ["local", "worker", "api"] {
            let settings = [
                ("DARKROOM_BACKEND", "local"),
                ("DARKROOM_DIR", &*data),
                ("DARKROOM_LISTEN", "0"),
                ("DARKROOM_ADMIN_LISTEN", "0"),
                ("RUST_LOG", "error"),
            ];
            let (_, error) = ended(&[command], &settings, 2).await;
            assert!(error.starts_with(&format!("darkroom: {data}")) && error.contains(says), "{says:?}: {error}");
            assert_eq!(error.matches(&*data).count(), 1, "{error}");
        }
    }
}

#[tokio::test]
async fn wrong_values_are_reported_once_and_in_plain_words() {
    let aws =
        [("DARKROOM_UPLOAD_BUCKET", "photos"), ("DARKROOM_TABLE", "images"), ("AWS_EC2_METADATA_DISABLED", "true")];
    for (arguments, settings, says) in [
        (&["local"][..], &[("RUST_LOG", "darkroom=loud")][..], "RUST_LOG=\"darkroom=loud\" cannot be read: "),
        (&["images", "list"], &aws, "no AWS region is set: set AWS_REGION, or a region in the profile"),
        (&["backfill", "--rate", "x"], &[], "must be a whole number from 1 to 1000"),
        (&["dlq", "redrive", "--rate", "1001"], &[], "must be a whole number from 1 to 1000"),
        (&["sweep", "--stuck-after", "x"], &[], "must be an age with a unit, such as 30m or 2h"),
        (&["dlq", "list", "--older-than", "5"], &[], "must be an age with a unit, such as 30m or 2h"),
    ] {
        let (_, error) = ended(arguments, settings, 2).await;
        assert_eq!(error.matches(says).count(), 1, "{error}");
        assert!(error.matches("parsing level filter").count() <= 1, "{error}");
        assert!(!error.contains("digit found") && !error.contains("Error {") && !error.contains("WARN"), "{error}");
    }
}

/// The log of `darkroom local` until it is ready.
async fn log_of_a_start(dir: &Path, token_file: &Path) -> String {
    let data = dir.join("data").display().to_string();
    let (port, admin_port) = (free_port().to_string(), free_port());
    let admin = admin_port.to_string();
    let arguments = ["local", "--dir", &data, "--listen", &port, "--admin-listen", &admin];
    let settings = [("DARKROOM_API_TOKEN_FILE", token_file.to_str().unwrap()), ("NO_COLOR", "1")];
    let address = format!("http://127.0.0.1:{admin_port}");
    let process = Process::start(command(&arguments, &settings), &dir.join("log"), address, "/readyz").await;
    let log = process.printed();
    process.stop().await;
    log
}

#[tokio::test]
async fn the_first_line_of_the_log_has_the_version_and_a_token_file_that_others_can_use_is_warned_about() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("the token");
    std::fs::write(&file, "0123456789abcdef\n").unwrap();
    for (mode, is_exposed) in [(0o600, false), (0o640, false), (0o644, true), (0o602, true)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let log = log_of_a_start(dir.path(), &file).await;
        let first = log.lines().next().unwrap();
        assert!(
            first.contains(&format!("darkroom {} (", env!("CARGO_PKG_VERSION"))) && first.contains(") starts"),
            "{log}"
        );
        let command = format!("run `chmod 600 '{}'`", file.display());
        let says = format!("has mode {mode:o}, so that other users of this machine can use it: {command}");
        assert_eq!(log.contains(&says), is_exposed, "{mode:o}: {log}");
    }
}

/// With one queue for both, the command would take live messages for dead letters.
#[tokio::test]
async fn the_queue_of_dead_letters_is_another_than_the_queue() {
    let queue = ("DARKROOM_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/uploads");
    for dead_letters in [queue.1, "https://sqs.us-east-1.amazonaws.com/123456789012/uploads/"] {
        let settings = [
            queue,
            ("DARKROOM_DLQ_URL", dead_letters),
            ("DARKROOM_UPLOAD_BUCKET", "photos"),
            ("DARKROOM_TABLE", "images"),
            ("AWS_REGION", "us-east-1"),
        ];
        for command in [&["worker"][..], &["sweep"], &["dlq", "list"]] {
            let (_, error) = ended(command, &settings, 2).await;
            assert!(error.contains("DARKROOM_DLQ_URL") && error.contains("DARKROOM_QUEUE_URL"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_directory_that_all_users_share_is_refused_without_advice_to_close_it() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o1777)).unwrap();
    let path = dir.path().to_str().unwrap();
    let (_, error) = ended(&["local", "--dir", path, "--listen", "0", "--admin-listen", "0"], &[], 2).await;
    assert!(error.contains("shared by all users") && error.contains(&format!("{path}/darkroom")), "{error}");
    assert!(!error.contains("chmod"), "{error}");
}

/// The operator must restore a lost key: a read-only command creates no new one.
#[tokio::test]
async fn a_look_at_a_directory_without_its_signing_key_makes_none() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (api, port) = (free_port(), free_port());
    local(dir.path(), &api.to_string(), api, &port.to_string(), port).await.stop().await;
    std::fs::remove_file(data.join("signing.key")).unwrap();
    let settings = [("DARKROOM_BACKEND", "local"), ("DARKROOM_DIR", data.to_str().unwrap())];
    for command in
        [&["images", "list"][..], &["check"], &["dlq", "list"], &["sweep", "--dry-run"], &["backfill", "--dry-run"]]
    {
        let (_, error) = ended(command, &settings, 2).await;
        assert!(error.contains("signing.key"), "{error}");
    }
    assert!(!data.join("signing.key").exists());
}
