//! Rules, alerts and the dashboard, checked against a real Prometheus that scrapes two workers under load.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::images;
use crate::process::free_port;

/// How long a step may take before a test gives up: far longer than it takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(180);

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

/// A program of Prometheus.
fn program(name: &str) -> Command {
    let folder = std::env::var_os("DARKROOM_TEST_PROMETHEUS")
        .expect("DARKROOM_TEST_PROMETHEUS names the folder of promtool: `make test-all` sets it");
    Command::new(Path::new(&folder).join(name))
}

/// Every file of rules.
const RULES: &[&str] = &["recording.rules.yaml", "alerts.rules.yaml", "workers-absent.rules.yaml"];

fn promtool(arguments: &[&str]) {
    let output = program("promtool").args(arguments).current_dir(deploy("prometheus")).output().unwrap();
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "promtool {arguments:?}: {words}");
}

#[test]
#[ignore = "needs Prometheus: make test-all"]
fn every_alert_is_quiet_then_fires_then_resolves() {
    promtool(&["check", "config", "prometheus.yaml"]);
    promtool(&[&["check", "rules"], RULES].concat());
    promtool(&["test", "rules", "alerts.test.yaml"]);
    let tests = fs::read_to_string(deploy("prometheus/alerts.test.yaml")).unwrap();
    for alert in alerts() {
        let name = format!("alertname: {alert}\n");
        let looks = tests.split(&name).skip(1);
        let is_firing: Vec<bool> = looks.map(|rest| !rest.trim_start().starts_with("exp_alerts: []")).collect();
        assert_eq!(is_firing, [false, true, false], "{alert} must be looked at before, while and after it fires");
    }
}

/// The text of all rules.
fn rules() -> String {
    RULES.iter().map(|file| fs::read_to_string(deploy("prometheus").join(file)).unwrap()).collect()
}

fn alerts() -> Vec<String> {
    let rules = rules();
    let alerts: Vec<String> =
        rules.lines().filter_map(|line| Some(line.trim().strip_prefix("- alert: ")?.to_owned())).collect();
    assert!(!alerts.is_empty());
    alerts
}

#[test]
fn every_alert_has_its_page() {
    let pages = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/OPERATIONS.md")).unwrap();
    let rules = rules();
    for alert in alerts() {
        assert!(pages.contains(&format!("\n### {alert}\n")), "docs/OPERATIONS.md says nothing about {alert}");
        let link = format!("runbook_url: docs/OPERATIONS.md#{}\n", alert.to_lowercase());
        assert!(rules.contains(&link), "{alert} does not link to its page");
    }
}

/// The ports are published on the host's loopback, where listeners check hosts only if hosts are configured.
#[test]
fn compose_checks_hosts_and_its_prometheus_is_among_them() {
    let compose = fs::read_to_string(deploy("compose.yaml")).unwrap();
    let named = compose.lines().find_map(|line| line.trim().strip_prefix("DARKROOM_ALLOWED_HOSTS: "));
    let named = named.expect("compose.yaml sets DARKROOM_ALLOWED_HOSTS");
    let scraped = fs::read_to_string(deploy("prometheus/prometheus-compose.yaml")).unwrap();
    assert!(scraped.contains(&format!("targets: [\"{named}:9464\"]")), "Prometheus scrapes another host than {named}");
}

/// The dashboard's queries, each with the panel's title.
fn panel_queries() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(deploy("grafana/darkroom.json")).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = panels.iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap().to_owned();
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        targets.into_iter().map(move |target| (title.clone(), target["expr"].as_str().unwrap().to_owned()))
    });
    queries.collect()
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    use darkroom::metrics::{definitions, process};
    let known: BTreeSet<&str> = definitions::TABLE.iter().chain(process::TABLE).map(|metric| metric.name).collect();
    let rules = RULES.iter().map(|file| {
        let rules = fs::read_to_string(deploy("prometheus").join(file)).unwrap();
        // The names of recording rules contain a colon; the test checks their expressions in the rules.
        rules.lines().filter(|line| !line.trim_start().starts_with(['#', '-'])).collect::<Vec<_>>().join("\n")
    });
    let all = panel_queries().into_iter().chain(rules.map(|text| ("a rule".to_owned(), text)));
    for (title, text) in all {
        for name in metric_names(&text) {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let is_known = known.contains(&*name) || base.is_some_and(|base| known.contains(base));
            assert!(is_known, "{title}: there is no metric {name}");
        }
    }
}

/// The words of a query with the prefix of darkroom's or the process' metrics.
fn metric_names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':' || c == '/'));
    words
        .filter(|word| word.starts_with("darkroom_") || word.starts_with("process_"))
        .filter(|word| !word.contains([':', '/']))
        .map(str::to_owned)
        .collect()
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Two workers on one directory, one of them with the API, and a Prometheus that scrapes both.
struct Site {
    _processes: [Running; 3],
    api: String,
    admins: [String; 2],
    prometheus: String,
    http: reqwest::Client,
    _dir: tempfile::TempDir,
}

impl Site {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [api, one, two, prometheus] = [(); 4].map(|()| format!("127.0.0.1:{}", free_port()));
        let darkroom = |command: &str, admin: &str| {
            let mut darkroom = Command::new(env!("CARGO_BIN_EXE_darkroom"));
            darkroom.arg(command).env("DARKROOM_BACKEND", "local").env("DARKROOM_DIR", dir.path().join("data"));
            darkroom.env("DARKROOM_LISTEN", &api).env("DARKROOM_ADMIN_LISTEN", admin);
            // The lease is short, so that workers renew it during the test.
            darkroom.env("DARKROOM_VISIBILITY_TIMEOUT", "2s").env("RUST_LOG", "warn");
            Running(darkroom.spawn().unwrap())
        };
        let first = darkroom("local", &one);
        let site = Self {
            _processes: [first, darkroom("worker", &two), start_prometheus(dir.path(), &prometheus, [&one, &two])],
            api: format!("http://{api}"),
            admins: [one, two].map(|admin| format!("http://{admin}")),
            prometheus: format!("http://{prometheus}"),
            http: reqwest::Client::new(),
            _dir: dir,
        };
        for url in [&site.admins[0], &site.admins[1]].map(|admin| format!("{admin}/readyz")) {
            site.wait_until_answers(&url).await;
        }
        site.wait_until_answers(&format!("{}/-/ready", site.prometheus)).await;
        site
    }

    async fn wait_until_answers(&self, url: &str) {
        let started = Instant::now();
        while !self.http.get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            assert!(started.elapsed() < PATIENCE, "{url} does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn json(&self, url: &str, query: &[(&str, &str)]) -> Value {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        self.http.get(format!("{url}?{query}")).send().await.unwrap().json().await.unwrap()
    }

    async fn upload(&self, bytes: Vec<u8>) -> String {
        let answer: Value = self.http.post(format!("{}/images", self.api)).send().await.unwrap().json().await.unwrap();
        let put = self.http.put(answer["uploadUrl"].as_str().unwrap()).body(bytes).send().await.unwrap();
        assert!(put.status().is_success(), "{put:?}");
        answer["id"].as_str().unwrap().to_owned()
    }

    async fn wait_until_final(&self, id: &str) {
        let started = Instant::now();
        loop {
            let image = self.json(&format!("{}/images/{id}", self.api), &[("wait", "5s")]).await;
            if !image["status"].as_str().unwrap().starts_with("waiting") {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "{id} is still {image}");
        }
    }

    async fn scrape(&self, admin: usize) -> String {
        self.http.get(format!("{}/metrics", self.admins[admin])).send().await.unwrap().text().await.unwrap()
    }

    /// Whether a query returns a number.
    async fn has_data(&self, query: &str) -> bool {
        let answer = self.json(&format!("{}/api/v1/query", self.prometheus), &[("query", query)]).await;
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let series = answer["data"]["result"].as_array().unwrap();
        series.iter().any(|series| series["value"][1].as_str().is_some_and(|value| value != "NaN"))
    }
}

/// Prometheus with darkroom's own rules, evaluated more often.
fn start_prometheus(dir: &Path, listen: &str, targets: [&str; 2]) -> Running {
    for file in RULES {
        let rules = fs::read_to_string(deploy("prometheus").join(file)).unwrap();
        fs::write(dir.join(file), rules.replace("interval: 15s", "interval: 1s")).unwrap();
    }
    let config = fs::read_to_string(deploy("prometheus/prometheus.yaml")).unwrap();
    let config = config.replace("15s", "1s").replace("\"127.0.0.1:9464\"", &targets.join(", "));
    fs::write(dir.join("prometheus.yaml"), config).unwrap();
    let mut prometheus = program("prometheus");
    prometheus
        .arg(format!("--config.file={}", dir.join("prometheus.yaml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
        .arg(format!("--web.listen-address={listen}"))
        .arg("--log.level=warn")
        .stderr(Stdio::inherit());
    Running(prometheus.spawn().unwrap())
}

/// The names and labels of a scrape's lines.
fn series(scrape: &str) -> BTreeSet<String> {
    scrape
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
        .collect()
}

#[tokio::test]
#[ignore = "needs Prometheus: make test-all"]
async fn every_panel_shows_data_of_two_workers_under_load() {
    let site = Site::start().await;
    let before = [site.scrape(0).await, site.scrape(1).await].map(|scrape| series(&scrape));
    // Every kind of upload: photographs, pictures so large that their lease is renewed, and files that are not images.
    let mut ids = vec![site.upload(images::white_30mp_png()).await, site.upload(images::white_30mp_png()).await];
    for number in 0..40u32 {
        ids.push(site.upload(images::jpeg(320 + number, 240)).await);
        if number % 10 == 0 {
            ids.push(site.upload(b"not an image".to_vec()).await);
        }
    }
    wait_for_data(&site).await;
    for id in &ids {
        site.wait_until_final(id).await;
    }
    for (admin, before) in before.iter().enumerate() {
        let scrape = site.scrape(admin).await;
        assert_eq!(&series(&scrape), before, "the series of process {admin} have changed under load");
        assert!(ids.iter().all(|id| !scrape.contains(id.as_str())), "a scrape holds an image's id");
        check_metrics(&scrape);
    }
}

/// Uploads until every query of the dashboard has returned a number once.
async fn wait_for_data(site: &Site) {
    let started = Instant::now();
    let mut missing = panel_queries();
    while !missing.is_empty() {
        site.upload(images::jpeg(640, 480)).await;
        let mut still_missing = Vec::new();
        for (title, query) in missing {
            let now = query
                .replace("$__rate_interval", "10s")
                .replace("\"$environment\"", "\".*\"")
                .replace("\"$instance\"", "\".*\"");
            if !site.has_data(&now).await {
                still_missing.push((title, query));
            }
        }
        missing = still_missing;
        assert!(started.elapsed() < PATIENCE, "these panels stay empty: {missing:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Runs promtool's check of the names and types of a scrape.
fn check_metrics(scrape: &str) {
    use std::io::Write as _;
    let mut check = program("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn().unwrap();
    check.stdin.take().unwrap().write_all(scrape.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success());
}
