//! An incident that an operator handles with docs/OPERATIONS.md: the table denies all calls, another program sends
//! unreadable messages, an event is lost, a deployment happens in between. At the end every image is published
//! or refused.
//!
//! The test writes a transcript; `scripts/incident` makes docs/INCIDENT.md of it.

use std::fmt::Write as _;
use std::time::Duration;

use darkroom::ports::Queue as _;
use darkroom::record::{ImageId, Status};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::account::ministack;
use super::curl;
use super::deployment::{Deployment, Plan};
use super::faults::Microburst;
use crate::images;
use crate::process::{self, Process};

/// How long the table denies all calls, unless `DARKROOM_INCIDENT_SECONDS` says otherwise.
const DENIED_FOR: Duration = Duration::from_secs(60);

/// Messages of another team's program, which are no upload events.
const UNREADABLE: usize = 8;

/// Photographs that are uploaded while the table denies all calls.
const UPLOADS: usize = 20;

/// The addresses that the transcript shows.
const API: &str = "127.0.0.1:8080";
const ADMIN: &str = "127.0.0.1:9464";

/// The incident and its transcript.
struct Day {
    deployment: Deployment,
    proxy: Microburst,
    started: Instant,
    text: String,
    /// The test's random names, and what the transcript shows instead.
    names: Vec<(String, &'static str)>,
}

impl Day {
    async fn begin(endpoint: &str) -> Option<Self> {
        let proxy = Microburst::start(endpoint).await?;
        let deployment = Deployment::new(endpoint, Plan { keeps_versions: true, ..Plan::default() }).await;
        let names = [
            ("DARKROOM_DLQ_URL", "https://sqs.example/dead-letters"),
            ("DARKROOM_QUEUE_URL", "https://sqs.example/uploads"),
            ("DARKROOM_UPLOAD_BUCKET", "photos"),
            ("DARKROOM_TABLE", "images"),
        ];
        let names = names.map(|(setting, shown)| (deployment.setting(setting).to_owned(), shown)).into();
        Some(Self { deployment, proxy, started: Instant::now(), text: String::new(), names })
    }

    /// Starts a process of the deployment, which reaches the table through the proxy.
    async fn start(&mut self, role: &str) -> Process {
        let endpoint = self.proxy.endpoint().to_owned();
        let process = self.deployment.start(role, &[("AWS_ENDPOINT_URL", &endpoint)]).await;
        let shown = if role == "api" { API } else { ADMIN };
        self.names.retain(|(_, known)| *known != shown);
        self.names.push((process.url("").trim_start_matches("http://").to_owned(), shown));
        process
    }

    async fn table_answers(&self, answers: bool) {
        let denied = json!({"service": "dynamodb", "error": {"code": "AccessDeniedException", "status": 400}});
        self.proxy.set(if answers { &[] } else { std::slice::from_ref(&denied) }).await;
    }

    fn chapter(&mut self, title: &str, text: &str) {
        let seconds = self.started.elapsed().as_secs();
        write!(self.text, "\n## {title}\n").unwrap();
        self.say(&format!("*{}:{:02} after the start.* {text}", seconds / 60, seconds % 60));
    }

    fn say(&mut self, text: &str) {
        write!(self.text, "\n{}\n", wrapped(text, "")).unwrap();
    }

    /// Quotes the row of a symptom in the runbook, which must have one.
    fn look_up(&mut self, symptom: &str) {
        let runbook = std::fs::read_to_string("docs/OPERATIONS.md").unwrap();
        let row = runbook.lines().find(|line| line.starts_with(&format!("| {symptom}")));
        let row = row.unwrap_or_else(|| panic!("docs/OPERATIONS.md has no row for {symptom:?}"));
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [symptom, look, act] = cells[..] else { panic!("not a row of three cells: {row}") };
        let quoted = wrapped(&format!("**{symptom}** Look at: {look} Do: {act}"), "> ");
        write!(self.text, "\n{quoted}\n").unwrap();
    }

    /// Runs a command line, adds it to the transcript, and returns its output.
    async fn run(&mut self, line: &str) -> String {
        let addresses = self.names.iter().filter(|(_, shown)| [API, ADMIN].contains(shown));
        let real = addresses.fold(line.to_owned(), |line, (real, shown)| line.replace(shown, real));
        let endpoint = self.proxy.endpoint().to_owned();
        let output = self.deployment.shell(&real, &[("AWS_ENDPOINT_URL", &endpoint)]).output().await.unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let printed = self.names.iter().fold(printed, |text, (real, shown)| text.replace(real, shown));
        let ended = output.status.code().filter(|code| *code != 0).map(|code| format!("[exit code {code}]\n"));
        let shown: String = printed.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        write!(self.text, "\n```console\n$ {line}\n{shown}{}```\n", ended.unwrap_or_default()).unwrap();
        printed
    }

    /// Waits until a condition holds, for longer than the breaker may pause after an outage.
    async fn until(&self, what: &str, mut holds: impl AsyncFnMut(&Self) -> bool) {
        let start = Instant::now();
        while !holds(self).await {
            assert!(start.elapsed() < Duration::from_secs(15 * 60), "{what}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn is(&self, id: &ImageId, status: Status) -> bool {
        self.deployment.record(id).await.is_some_and(|record| record.status == status)
    }
}

/// Wraps a paragraph; each line begins with `before`.
fn wrapped(text: &str, before: &str) -> String {
    const WIDTH: usize = 120;
    let mut lines = vec![before.trim_end().to_owned()];
    for word in text.split_whitespace() {
        let is_full = lines.last().is_some_and(|line| line.chars().count() + 1 + word.chars().count() > WIDTH);
        if is_full {
            lines.push(before.trim_end().to_owned());
        }
        let line = lines.last_mut().unwrap();
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.join("\n")
}

fn denied_for() -> Duration {
    std::env::var("DARKROOM_INCIDENT_SECONDS").map_or(DENIED_FOR, |text| Duration::from_secs(text.parse().unwrap()))
}

/// An upload through the API whose event never reaches a worker.
async fn upload_unnoticed(day: &Day, api: &Process) -> ImageId {
    let answer = curl::send("POST", &api.url("/images"), &[], b"").await;
    let upload: Value = serde_json::from_slice(&answer.body).unwrap();
    // Not through the proxy: the URL is signed for the proxy's address, which the emulator does not know.
    let id = day.deployment.put(upload["id"].as_str().unwrap(), &images::jpeg(640, 480)).await;
    let mut is_lost = false;
    process::until("the event is there to be lost", async || {
        let wait = Duration::from_secs(1);
        for message in day.deployment.queue.receive(10, wait, Duration::from_secs(1)).await.unwrap() {
            is_lost |= message.body.contains(id.as_str());
            day.deployment.queue.delete(&[message.receipt]).await.remove(0).unwrap();
        }
        is_lost
    })
    .await;
    id
}

async fn the_table_denies_access(day: &mut Day, worker: Process) -> (Process, Vec<ImageId>) {
    day.table_answers(false).await;
    let refused = Instant::now();
    day.chapter(
        "The table denies access",
        &format!(
            "A policy was changed by mistake: for {} seconds the table denies all calls. Meanwhile {UPLOADS} \
             photographs are uploaded, and another team's program sends {UNREADABLE} messages to the queue that are \
             not upload events.",
            denied_for().as_secs()
        ),
    );
    let mut ids = Vec::new();
    for number in 0..UPLOADS {
        ids.push(day.deployment.put(&format!("holiday/{number:02}.jpg"), &images::jpeg(320, 240)).await);
        if number < UNREADABLE {
            day.deployment.queue.send(&format!("{{\"order\": {number}, \"of\": \"another team\"}}")).await.unwrap();
        }
    }
    process::until("the breaker opens", async || worker.metric("darkroom_breaker_open", "").await > 0.0).await;
    tokio::time::sleep(denied_for() / 4).await;
    day.look_up("No thumbnails at all");
    let errors = day
        .run(&format!(
            "curl -s http://{ADMIN}/metrics | grep -E '^darkroom_(breaker_open|port_errors_total.*denied.*) [1-9]'"
        ))
        .await;
    assert!(errors.contains("catalog") && errors.contains("denied"), "{errors}{}", worker.get("/metrics").await);
    let checked = day.run("darkroom check --role worker | tail -1").await;
    assert!(checked.contains("not working: dynamodb:"), "{checked}");
    day.say(
        "The table's policy is the cause. The operator asks its owner to repair it; nothing else needs to be done.",
    );

    day.chapter(
        "A deployment during the outage",
        "A new build is deployed: the old worker gets SIGTERM, a new one starts.",
    );
    worker.stop().await;
    let worker = day.start("worker").await;
    let drained = day.run("grep -oE 'draining messages=[0-9]+|ended ending=.*' worker-1.log").await;
    assert!(drained.contains("ended ending=Clean"), "{drained}");
    day.say(
        "The old worker exited with 0 and gave its messages back to the queue. The new one meets the same outage, and \
         waits too.",
    );
    tokio::time::sleep(denied_for().saturating_sub(refused.elapsed())).await;
    (worker, ids)
}

async fn the_table_answers_again(day: &mut Day, ids: &[ImageId]) {
    day.table_answers(true).await;
    let mended = Instant::now();
    day.chapter("The table answers again", "The policy is repaired. No process is restarted.");
    day.until("all photographs are published", async |day| {
        for id in ids {
            if !day.is(id, Status::Published).await {
                return false;
            }
        }
        true
    })
    .await;
    let seconds = mended.elapsed().as_secs();
    day.until("every message is settled", async |day| {
        let depth = day.deployment.queue.attributes().await.unwrap();
        depth.visible + depth.in_flight == 0
    })
    .await;
    // The log's line follows the message's end.
    tokio::time::sleep(Duration::from_secs(1)).await;
    day.say(&format!(
        "All {UPLOADS} photographs are published {seconds} seconds later. The number of receives of each message, \
         including that of a photograph from before the outage:"
    ));
    let receives =
        day.run("grep -h 'outcome=\"published\"' worker-*.log | grep -o 'receive_count=[0-9]*' | sort | uniq -c").await;
    let counts: Vec<(usize, u32)> = receives
        .lines()
        .map(|line| line.trim().split_once(" receive_count=").unwrap())
        .map(|(images, receives)| (images.parse().unwrap(), receives.parse().unwrap()))
        .collect();
    assert_eq!(counts.iter().map(|(images, _)| images).sum::<usize>(), UPLOADS + 1, "{receives}");
    assert!(counts.iter().all(|(_, receives)| *receives < 10), "{receives}");
    day.say(
        "After ten receives a message becomes a dead letter. No photograph's message was received that often, because \
         the breaker let only one message at a time probe the table.",
    );
}

async fn the_dead_letters(day: &mut Day) {
    day.until("the unreadable messages are dead letters", async |day| {
        let dead = day.deployment.dead_letters.attributes().await.unwrap();
        dead.visible >= UNREADABLE as u64
    })
    .await;
    day.chapter("Dead letters", "The alert for dead letters fires.");
    day.look_up("There are dead letters");
    let list = day.run("darkroom dlq list").await;
    assert_eq!(list.lines().filter(|line| line.contains("unreadable")).count(), UNREADABLE, "{list}");
    assert_eq!(list.lines().count(), UNREADABLE + 1, "{list}");
    let id = list.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let shown = day.run(&format!("darkroom dlq show {id}")).await;
    assert!(shown.contains("another team"), "{shown}");
    day.say(
        "The body shows who sends the messages; the sender is informed. They contain no image, so none is redriven:",
    );
    assert_eq!(day.run("darkroom dlq redrive --dry-run").await, format!("would redrive 0, left {UNREADABLE}\n"));
    let dropped = day.run("darkroom dlq drop --reason unreadable --yes | tail -1").await;
    assert_eq!(dropped, format!("dropped {UNREADABLE}\n"));
}

async fn the_lost_event(day: &mut Day, lost: &ImageId) {
    day.chapter(
        "An image without thumbnails",
        "A user reports that a photograph was uploaded before the outage and has no thumbnails.",
    );
    let before: Value =
        serde_json::from_str(&day.run(&format!("curl -s http://{API}/images/{lost} | jq '{{id, status}}'")).await)
            .unwrap();
    assert_eq!(before["status"], "waiting_for_upload");
    day.look_up("An image stays `waiting_for_upload`");
    let would = day.run(&format!("darkroom backfill --dry-run --prefix uploads/{lost}")).await;
    assert!(would.contains("would enqueue 1 of 1 up to "), "{would}");
    day.say(
        "The object exists, but its event was lost. The sweep would repair this a day after the upload's URL expired; \
         a backfill repairs it now.",
    );
    let done = day.run(&format!("darkroom backfill --wait --prefix uploads/{lost}")).await;
    assert!(done.contains(&format!("  {:39}1\n", "published")), "{done}");
}

async fn the_end(day: &mut Day) {
    day.chapter(
        "Final check",
        "A sweep finds nothing to repair, a backfill finds nothing to enqueue, and the dead-letter queue is empty.",
    );
    let swept = day.run("darkroom sweep --dry-run").await;
    assert!(swept.ends_with("\nnothing to repair\n"), "{swept}");
    let left = day.run("darkroom backfill --dry-run").await;
    let counts: Vec<&str> = left.lines().filter_map(|line| line.rsplit(' ').next()).collect();
    let (all, published) = ((UPLOADS + 3).to_string(), (UPLOADS + 2).to_string());
    assert_eq!(counts[2..], [&*all, "0", &*published, "0", "1", "0", "0", "enqueue"], "{left}");
    day.say("All photographs are published. One object was refused:");
    let refused =
        day.run(&format!("curl -s 'http://{API}/images?key=uploads/notes.txt' | jq '{{status, reason}}'")).await;
    assert!(refused.contains("unsupported_type"), "{refused}");
    assert_eq!(day.run("darkroom dlq list").await, "no dead letters\n");
}

#[tokio::test]
#[ignore = "takes minutes: `make test-long`"]
async fn after_a_bad_day_everything_is_published_or_explained() {
    let Some(endpoint) = ministack() else { return };
    let Some(mut day) = Day::begin(&endpoint).await else { return };
    let api = day.start("api").await;
    let lost = upload_unnoticed(&day, &api).await;
    let worker = day.start("worker").await;
    let cat = day.deployment.put("cat.jpg", &images::jpeg(800, 600)).await;
    let notes = day.deployment.put("notes.txt", b"a text").await;
    day.deployment.expect(&cat, Status::Published).await;
    day.deployment.expect(&notes, Status::InvalidContentType).await;
    day.started = Instant::now();
    let (worker, ids) = the_table_denies_access(&mut day, worker).await;
    the_table_answers_again(&mut day, &ids).await;
    the_dead_letters(&mut day).await;
    the_lost_event(&mut day, &lost).await;
    the_end(&mut day).await;
    assert_eq!(day.deployment.dead_letters_at_the_end().await, 0);
    api.stop().await;
    worker.stop().await;
    if let Some(page) = std::env::var_os("DARKROOM_INCIDENT_PAGE") {
        let head = include_str!("incident.md").replace("{seconds}", &denied_for().as_secs().to_string());
        std::fs::write(page, head + &day.text).unwrap();
    }
}
