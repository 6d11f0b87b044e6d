//! The recorder of the metrics: installed once, rendered for each scrape, and kept small.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::definitions::{self, Definition, Kind, Scope};
use super::{QueueName, process};

/// The `Content-Type` of a scrape.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How often recorded durations are moved into their buckets: without it they accumulate until the next scrape.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

static INSTALLED: OnceLock<Metrics> = OnceLock::new();

/// All metrics of this process.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

/// Starts recording: describes every metric of the scope and sets it to zero. Later calls return the same metrics.
///
/// # Errors
/// When this process already has another recorder.
pub fn install(scope: Scope) -> anyhow::Result<Metrics> {
    if let Some(installed) = INSTALLED.get() {
        return Ok(installed.clone());
    }
    let recorder = build()?;
    let metrics = Metrics(recorder.handle());
    if metrics::set_global_recorder(recorder).is_err() {
        // Another thread was faster, or another library has installed a recorder.
        return INSTALLED
            .get()
            .cloned()
            .ok_or_else(|| anyhow::anyhow!("another metrics recorder is installed already"));
    }
    let metrics = INSTALLED.get_or_init(|| metrics).clone();
    describe_and_zero(scope);
    Ok(metrics)
}

impl Metrics {
    /// Every metric in Prometheus' text format.
    pub fn render(&self) -> String {
        let mut scrape = self.0.render();
        process::render(&mut scrape);
        scrape
    }

    /// Keeps the recorder small. Never returns: run it as a task for the life of the process.
    pub async fn keep_up(self) {
        let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
        loop {
            ticks.tick().await;
            self.0.run_upkeep();
        }
    }
}

fn build() -> Result<PrometheusRecorder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in definitions::TABLE {
        if let Kind::Histogram(buckets) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)?;
        }
    }
    Ok(builder.build_recorder())
}

fn describe_and_zero(scope: Scope) {
    for metric in definitions::TABLE {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram(_) => metrics::describe_histogram!(metric.name, metric.help),
        }
        for values in metric.series_in(scope) {
            match metric.kind {
                Kind::Counter => metric.counter(&values).increment(0),
                Kind::Gauge => metric.gauge(&values).set(0.0),
                // Requesting a histogram creates it, empty.
                Kind::Histogram(_) => drop(metric.histogram(&values)),
            }
        }
    }
    for queue in QueueName::ALL {
        // Before the first sample, zero would claim that the queue is empty.
        definitions::QUEUE_OLDEST_AGE.gauge(&[queue.as_str()]).set(f64::NAN);
    }
    definitions::BUILD_INFO.gauge(&super::BUILD).set(1.0);
}

impl Definition {
    fn key(&self, values: &[&'static str]) -> Vec<metrics::Label> {
        debug_assert_eq!(values.len(), self.labels.len(), "{}", self.name);
        self.labels.iter().zip(values).map(|(name, value)| metrics::Label::from_static_parts(name, value)).collect()
    }

    pub(super) fn counter(&self, values: &[&'static str]) -> metrics::Counter {
        metrics::counter!(self.name, self.key(values))
    }

    pub(super) fn gauge(&self, values: &[&'static str]) -> metrics::Gauge {
        metrics::gauge!(self.name, self.key(values))
    }

    pub(super) fn histogram(&self, values: &[&'static str]) -> metrics::Histogram {
        metrics::histogram!(self.name, self.key(values))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use darkroom_thumbnail::Tolerated;

    use super::*;
    use crate::metrics::{self, Outcome, Stage};
    use crate::ports::queue::QueueAttributes;
    use crate::ports::{ErrorKind, Operation, PortError};
    use crate::record::Reason;

    /// A recorder for this test only, so that the tests of one process do not see each other's events.
    fn recording(events: impl FnOnce()) -> String {
        recording_in(Scope::WithApi, events)
    }

    fn recording_in(scope: Scope, events: impl FnOnce()) -> String {
        let recorder = build().unwrap();
        let metrics = Metrics(recorder.handle());
        ::metrics::with_local_recorder(&recorder, || {
            describe_and_zero(scope);
            events();
        });
        metrics.render()
    }

    /// The names and labels of a scrape's lines, without their values.
    fn series(scrape: &str) -> BTreeSet<&str> {
        scrape.lines().filter(|line| !line.starts_with('#')).filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect()
    }

    fn depth(visible: u64, oldest_age: Option<std::time::Duration>) -> QueueAttributes {
        QueueAttributes { visible, in_flight: 0, delayed: 0, oldest_age, max_receives: None }
    }

    fn everything() {
        use std::time::Duration as D;
        metrics::messages_received(3);
        metrics::queue_lag(D::from_millis(20));
        metrics::receive_count(2);
        metrics::received_age(D::from_secs(90));
        metrics::received_age(D::from_secs(7));
        metrics::sample_received_age();
        metrics::queue_depth(&depth(4, Some(D::from_secs(30))), &depth(2, None));
        Outcome::ALL.into_iter().for_each(metrics::settled);
        Stage::ALL.into_iter().for_each(|stage| metrics::stage(stage, D::from_millis(3)));
        Tolerated::ALL.iter().copied().for_each(metrics::tolerated);
        Reason::ALL.into_iter().for_each(metrics::verdict);
        metrics::port_error(&PortError::new(ErrorKind::Throttled, Operation::CatalogApply));
        metrics::port_error(&PortError::new(ErrorKind::Denied, Operation::ObjectsGet).of_key());
        metrics::source(12_000_000, 4_000_000);
        metrics::drained(D::from_secs(1));
        for request in metrics::Request::ALL {
            metrics::answered(request, metrics::StatusClass::Success, D::from_millis(60));
        }
    }

    #[test]
    fn every_metric_is_described_and_zero_before_anything_happens() {
        let scrape = recording(|| {});
        for metric in definitions::TABLE {
            assert!(scrape.contains(&format!("# HELP {} {}", metric.name, metric.help)), "{}", metric.name);
            assert!(scrape.contains(&format!("# TYPE {} {}\n", metric.name, metric.kind.as_str())), "{}", metric.name);
        }
        assert!(scrape.contains("darkroom_messages_settled_total{outcome=\"published\"} 0\n"));
        assert!(scrape.contains("darkroom_queue_lag_seconds_count 0\n"));
        assert!(scrape.contains("darkroom_queue_oldest_age_seconds{queue=\"work\"} NaN\n"));
    }

    #[test]
    fn a_process_without_the_api_has_no_series_of_requests() {
        let (with, without) = (recording(|| {}), recording_in(Scope::WithoutApi, || {}));
        let missing: BTreeSet<_> = series(&with).difference(&series(&without)).copied().collect();
        assert!(missing.iter().any(|name| name.starts_with("darkroom_http_request_duration_seconds_bucket")));
        for name in missing {
            assert!(name.starts_with("darkroom_http_") || name.contains("listener=\"api\""), "{name}");
        }
        assert!(!without.contains("darkroom_http_"), "{without}");
        assert!(without.contains("darkroom_connections_open{listener=\"admin\"} 0\n"));
        assert!(!without.contains("listener=\"api\""));
    }

    #[test]
    fn the_number_of_series_never_grows() {
        let (before, after) = (recording(|| {}), recording(everything));
        let added: Vec<_> = series(&after).difference(&series(&before)).map(|line| (*line).to_owned()).collect();
        assert!(added.is_empty(), "new series: {added:?}");
    }

    #[test]
    fn events_are_counted_under_their_labels() {
        let scrape = recording(everything);
        for line in [
            "darkroom_messages_received_total 3\n",
            "darkroom_messages_settled_total{outcome=\"dead_lettered\"} 1\n",
            "darkroom_images_rejected_total{reason=\"corrupt\"} 1\n",
            "darkroom_images_rejected_total{reason=\"too_much_work\"} 1\n",
            "darkroom_images_without_end_total 1\n",
            "darkroom_tolerated_total{kind=\"missing_end\"} 1\n",
            "darkroom_images_failed_total{reason=\"killed\"} 1\n",
            "darkroom_port_errors_total{port=\"catalog\",operation=\"apply\",kind=\"throttled\"} 1\n",
            "darkroom_port_errors_total{port=\"objects\",operation=\"get\",kind=\"denied\"} 1\n",
            "darkroom_kms_key_errors_total{port=\"objects\",operation=\"get\"} 1\n",
            "darkroom_kms_key_errors_total{port=\"catalog\",operation=\"apply\"} 0\n",
            "darkroom_stage_duration_seconds_bucket{stage=\"render\",le=\"0.005\"} 1\n",
            "darkroom_stage_duration_seconds_bucket{stage=\"render\",le=\"0.0025\"} 0\n",
            "darkroom_source_pixels_sum 12000000\n",
            "darkroom_queue_messages{queue=\"work\",state=\"visible\"} 4\n",
            "darkroom_queue_oldest_age_seconds{queue=\"work\"} 30\n",
            "darkroom_queue_oldest_age_seconds{queue=\"dead_letters\"} NaN\n",
            "darkroom_received_oldest_age_seconds 90\n",
            "darkroom_http_requests_total{request=\"get_image\",status=\"2xx\"} 1\n",
            "darkroom_http_request_duration_seconds_bucket{request=\"get_image\",le=\"0.05\"} 0\n",
            "darkroom_http_request_duration_seconds_bucket{request=\"get_image\",le=\"0.075\"} 1\n",
        ] {
            assert!(scrape.contains(line), "{line:?} is not in\n{scrape}");
        }
    }
}
