//! Real processes: darkroom's own binary, and the emulators that a test starts for itself.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::Instant;

/// How long a test waits for a condition; test machines are slow and shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(240);

/// A process that dies with its test; its output goes to a file.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
    address: String,
}

/// A port that no process listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until `holds` returns true.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < PATIENCE, "not within {} s: {what}", PATIENCE.as_secs());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

impl Process {
    /// Starts a command, and waits until `health` answers 200. Requests to it are sent to `address`.
    pub(crate) async fn start(mut command: Command, log: &Path, address: String, health: &str) -> Self {
        let output = std::fs::File::create(log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).kill_on_drop(true);
        let child = command.spawn().unwrap();
        let mut process = Self { child, log: log.to_owned(), address };
        let url = process.url(health);
        let start = Instant::now();
        while !reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
            let ended = process.child.try_wait().unwrap();
            assert!(ended.is_none() && start.elapsed() < PATIENCE, "{ended:?}: {}", process.printed());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        process
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// The body of the answer to a GET of the path.
    pub(crate) async fn get(&self, path: &str) -> String {
        reqwest::get(self.url(path)).await.unwrap().text().await.unwrap()
    }

    /// The sum of a metric's samples whose line contains `label`.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> f64 {
        let scraped = self.get("/metrics").await;
        let samples = scraped.lines().filter(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])) && line.contains(label)
        });
        samples.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// All output of the process so far.
    pub(crate) fn printed(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// The current and the peak memory in bytes.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let kibibytes = |field: &str| -> u64 {
            let line = status.lines().find(|line| line.starts_with(field)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        (kibibytes("VmRSS") * 1024, kibibytes("VmHWM") * 1024)
    }

    pub(crate) fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends it a signal, such as `-STOP`.
    pub(crate) async fn signal(&self, signal: &str) {
        let pid = self.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    }

    /// Asks it to stop, and expects exit code 0.
    pub(crate) async fn stop(self) {
        self.signal("-TERM").await;
        let (code, printed) = self.ended().await;
        assert_eq!(code, Some(0), "{printed}");
    }

    /// Waits until the process exits; returns its exit code and all its output.
    pub(crate) async fn ended(mut self) -> (Option<i32>, String) {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap();
        (status.code(), self.printed())
    }
}
