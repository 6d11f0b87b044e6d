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

/// What a command prints, which must end with `code`.
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

/// `darkroom local` in a directory, listening as told.
async fn local(dir: &Path, listen: &str, port: u16, admin: &str, admin_port: u16) -> Process {
    let dir_text = dir.join("data").display().to_string();
    let arguments = ["local", "--dir", &dir_text, "--listen", listen, "--admin-listen", admin];
    // Arguments win over settings, also over one that is wrong.
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
async fn a_wrong_address_is_told_by_the_name_that_was_used() {
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
async fn a_port_in_use_is_told_by_the_name_that_was_used() {
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
            "darkroom: cannot listen on {address}: another process listens there: stop it, or choose another address with \
             {name}\n"
        );
        assert!(error.ends_with(&says), "{arguments:?}: {error}");
    }
}
