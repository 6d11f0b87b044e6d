//! Formats the results of `darkroom check`, and checks whether a running process is alive.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::backends::{Finding, Probe};

/// How long a process may take to answer a liveness check.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// The probes as a table with one line each. Failures include their cause.
pub(super) fn table(probes: &[Probe]) -> String {
    let width = |column: fn(&Probe) -> &str| probes.iter().map(|probe| column(probe).len()).max().unwrap_or(0);
    let (actions, targets) = (width(|probe| probe.action), width(|probe| &probe.on));
    let mut table = String::new();
    for Probe { action, on, finding } in probes {
        let outcome = match finding {
            Finding::Works => "ok".to_owned(),
            Finding::Unknown(why) => format!("not checked  {why}"),
            Finding::Lacks(why) => format!("LACKS  {why}"),
            Finding::Fails(why) => format!("FAILED  {why}"),
        };
        // Writing into a string cannot fail.
        let _ = writeln!(table, "{action:actions$}  {on:targets$}  {outcome}");
    }
    let missing: Vec<_> = probes.iter().filter(|probe| fails(probe)).map(|probe| probe.action).collect();
    if !missing.is_empty() {
        let _ = writeln!(table, "\nnot working: {}", missing.join(", "));
    }
    table
}

/// Whether the probe failed. A probe that could not run is not a failure, and neither is what a store lacks.
pub(super) const fn fails(probe: &Probe) -> bool {
    matches!(probe.finding, Finding::Fails(_))
}

/// Checks the liveness of the process whose admin listener is at `admin`. A draining process is alive.
pub(super) async fn health(admin: SocketAddr) -> anyhow::Result<()> {
    let asked = tokio::time::timeout(HEALTH_TIMEOUT, ask(admin)).await;
    let answer = asked.with_context(|| format!("no answer from {admin} within {} s", HEALTH_TIMEOUT.as_secs()))??;
    let status = answer.lines().next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("200"), "{admin} answers {status:?}");
    Ok(())
}

async fn ask(admin: SocketAddr) -> anyhow::Result<String> {
    // Clients cannot connect to the wildcard address.
    let admin = match admin {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, v4.port())),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, v6.port())),
        other => other,
    };
    let mut stream = TcpStream::connect(admin).await.with_context(|| format!("nobody listens on {admin}"))?;
    let request = format!("GET /livez HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_what_is_missing() {
        let probe = |action, finding| Probe { action, on: "photos".to_owned(), finding };
        let table = table(&[
            probe("s3:GetObject", Finding::Works),
            probe("s3:ListBucket", Finding::Fails("denied".to_owned())),
            probe("notification", Finding::Unknown("who knows".to_owned())),
            probe("If-None-Match", Finding::Lacks("a condition".to_owned())),
        ]);
        assert_eq!(
            table,
            "s3:GetObject   photos  ok\ns3:ListBucket  photos  FAILED  denied\nnotification   photos  not checked  who \
             knows\nIf-None-Match  photos  LACKS  a condition\n\nnot working: s3:ListBucket\n"
        );
    }

    #[tokio::test]
    async fn a_process_that_answers_lives_and_one_that_is_not_there_does_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 512];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        };
        let (lives, ()) = tokio::join!(health(address), answer);
        lives.unwrap();
        drop(listener);
        assert!(health(address).await.unwrap_err().to_string().contains("nobody listens"));
    }
}
