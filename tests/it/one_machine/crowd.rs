//! Crowds of idle and slow clients: a normal client still gets its answer within a second.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::Site;
use crate::images;
use crate::process::Process;

/// `darkroom local` with these initial limits of open files.
async fn start(site: &Site, soft: u64, hard: Option<u64>) -> Process {
    let hard = hard.map(|hard| format!("ulimit -Hn {hard} && ")).unwrap_or_default();
    let mut command = Command::new("sh");
    let binary = env!("CARGO_BIN_EXE_darkroom");
    command.args(["-c", &format!("ulimit -Sn {soft} && {hard}exec {binary} local")]);
    site.set(&mut command, &site.data());
    site.run(command).await
}

/// Raises this process's limit of open files to the number that the test needs.
fn raise_own_limit(needed: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    assert!(maximum.is_none_or(|most| most >= needed), "the test needs {needed} open files, the limit is {maximum:?}");
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
}

async fn connect(site: &Site) -> TcpStream {
    TcpStream::connect(site.api.strip_prefix("http://").unwrap()).await.unwrap()
}

async fn idle(site: &Site, count: usize) -> Vec<TcpStream> {
    let mut sockets = Vec::new();
    while sockets.len() < count {
        sockets.extend(join_all((0..50.min(count - sockets.len())).map(|_| connect(site))).await);
    }
    sockets
}

/// An upload that sends a byte a second until the server closes the connection.
async fn crawl(mut socket: TcpStream, site_api: String, url: String) -> Duration {
    let (start, path) = (Instant::now(), url.strip_prefix(&site_api).unwrap());
    let head = format!("PUT {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n");
    let mut written = socket.write_all(head.as_bytes()).await;
    while written.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        written = socket.write_all(b"x").await;
    }
    start.elapsed()
}

async fn crawling(site: &Site, count: usize) -> JoinSet<Duration> {
    let mut uploads = JoinSet::new();
    for _ in 0..count {
        let (_, url) = site.invite().await.unwrap();
        uploads.spawn(crawl(connect(site).await, site.api.clone(), url));
    }
    uploads
}

/// Measures an upload by a new client, followed by `/livez`.
async fn honest(site: &Site, darkroom: &Process, photograph: &[u8]) -> Duration {
    let start = Instant::now();
    let http = reqwest::Client::new();
    let invited = http.post(format!("{}/images", site.api)).send().await.unwrap().error_for_status().unwrap();
    let invited: serde_json::Value = invited.json().await.unwrap();
    let put = http.put(invited["uploadUrl"].as_str().unwrap()).body(photograph.to_vec());
    put.send().await.unwrap().error_for_status().unwrap();
    assert_eq!(darkroom.get("/livez").await, "alive\n");
    start.elapsed()
}

/// There are more sockets than the process may open. Without eviction, uploads would get 503, and `/livez` no answer.
#[tokio::test]
async fn more_idle_clients_than_descriptors_shut_nobody_out() {
    raise_own_limit(2000);
    let site = Site::new();
    let darkroom = start(&site, 512, Some(1024)).await;
    assert_eq!(darkroom.metric("process_max_fds", "").await, 1024.0, "the soft limit is raised to the hard one");
    let _idle = idle(&site, 1040).await;
    let photograph = images::jpeg(64, 48);
    for _ in 0..3 {
        honest(&site, &darkroom, &photograph).await;
    }
    assert!(darkroom.descriptors() < 900, "{} descriptors are open", darkroom.descriptors());
    assert!(darkroom.metric("darkroom_connections_closed_total", "reason=\"evicted\"").await > 100.0);
    darkroom.stop().await;
}

#[tokio::test]
#[ignore = "holds thousands of sockets: `make test-long`"]
async fn among_5000_idle_and_200_crawling_clients_an_upload_takes_less_than_a_second() {
    raise_own_limit(12_000);
    let site = Site::new();
    let darkroom = start(&site, 1024, None).await;
    let photograph = images::jpeg(1000, 750);
    let mut crawling = crawling(&site, 200).await;
    let _idle = idle(&site, 5000).await;
    let mut times = Vec::new();
    for _ in 0..9 {
        times.push(honest(&site, &darkroom, &photograph).await);
    }
    times.sort();
    println!("an upload and a look at /livez among the crowd took {times:?}");
    assert!(times[times.len() / 2] < Duration::from_secs(1), "{times:?}");
    // A slow upload ends within the time window of its average rate.
    while let Some(lasted) = crawling.join_next().await {
        assert!(lasted.unwrap() < Duration::from_secs(30));
    }
    darkroom.stop().await;
}
