//! Requests by curl: a plain client that does not use the signing code.

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// Sends a request with exactly these headers and those that curl adds.
pub(crate) async fn send(method: &str, url: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
    let mut curl = Command::new("curl");
    // `-i` prints the head before the body; an empty `Expect:` prevents an interim answer.
    curl.args(["--silent", "--show-error", "--globoff", "--path-as-is", "--max-time", "60", "-i", "-H", "Expect:"]);
    curl.args(["-X", method]);
    for (name, value) in headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length")) {
        curl.arg("-H").arg(format!("{name}: {value}"));
    }
    if method == "PUT" || method == "POST" {
        curl.args(["--data-binary", "@-"]);
    } else if method == "HEAD" {
        curl.arg("--head");
    }
    curl.arg(url).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut running = curl.spawn().unwrap();
    let mut stdin = running.stdin.take().unwrap();
    stdin.write_all(body).await.unwrap();
    drop(stdin);
    let output = running.wait_with_output().await.unwrap();
    assert!(output.status.success(), "curl {url}: {}", String::from_utf8_lossy(&output.stderr));
    parse(&output.stdout)
}

/// Sends a GET without further headers.
pub(crate) async fn get(url: &str) -> Answer {
    send("GET", url, &[], b"").await
}

fn parse(output: &[u8]) -> Answer {
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("an empty line after the head");
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    Answer { status, headers, body: output[end + 4..].to_vec() }
}
