//! What systemd is told: the protocol of sd_notify(3), by a socket of the test's own.

use std::os::unix::net::UnixDatagram;

use super::Site;
use crate::process::{PATIENCE, Process, free_port};

#[tokio::test]
async fn systemd_is_told_of_the_start_the_life_and_the_end() {
    let site = Site::new();
    let socket = site.dir.path().join("notify");
    let told = UnixDatagram::bind(&socket).unwrap();
    told.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = site.command("local");
    command.env("NOTIFY_SOCKET", &socket).env("WATCHDOG_USEC", "200000");
    let admin = format!("127.0.0.1:{}", free_port());
    command.env("DARKROOM_ADMIN_LISTEN", &admin);
    let process = Process::start(command, &site.dir.path().join("log"), format!("http://{admin}"), "/readyz").await;
    let (told, lines) = next_until(told, "WATCHDOG=1").await;
    let waits = lines.iter().position(|line| line == "STATUS=waits: starting");
    let ready = lines.iter().position(|line| line == "READY=1");
    assert!(waits < ready && ready.is_some(), "{lines:?}");
    // It goes on, although nothing else happens.
    let (told, _) = next_until(told, "WATCHDOG=1").await;
    process.stop().await;
    let (_, lines) = next_until(told, "STOPPING=1").await;
    assert!(!lines.contains(&"READY=1".to_owned()), "{lines:?}");
}

/// Reads what is told until this line has come.
async fn next_until(told: UnixDatagram, last: &'static str) -> (UnixDatagram, Vec<String>) {
    let read = move || {
        let (mut lines, mut datagram) = (Vec::new(), [0; 4096]);
        while !lines.iter().any(|line| line == last) {
            let length = told.recv(&mut datagram).unwrap();
            lines.extend(std::str::from_utf8(&datagram[..length]).unwrap().lines().map(str::to_owned));
        }
        (told, lines)
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}
