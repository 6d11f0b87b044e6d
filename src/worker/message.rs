//! One message: handles its records one after another, then settles the message once.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use super::Run;
use super::delay::{dead_delay, kept_delay, retry_delay};
use super::lease_heartbeat::Lease;
use super::object_names::ObjectNames;
use super::other_buckets::OtherBucket;
use super::settle::Settlement;
use crate::event::{self, Event, ParseError};
use crate::metrics::{self, Outcome};
use crate::pipeline::{Delivery, EventResult, Outage};
use crate::ports::queue::Message;

impl Run {
    /// Works on a message and settles it. Drops the work when the lease is lost, since another worker may have the
    /// message. The permit is free once the message may be settled, because settling waits for others to make a batch.
    pub(super) async fn handle(&self, message: Message, lease: Lease, permit: Option<OwnedSemaphorePermit>) {
        let span = tracing::info_span!(
            "message",
            message.id = message.id,
            message.receive_count = message.receive_count,
            trace.xray = message.trace.xray,
            trace.traceparent = message.trace.traceparent,
        );
        async {
            self.measure(&message);
            let parsed = event::parse(&message.body);
            let names = parsed.as_deref().map(|events| ObjectNames::of(events, &self.worker.pipeline));
            let names = names.unwrap_or_default();
            let worked = tokio::select! {
                biased;
                () = lease.lost() => None,
                settlement = self.work(&message, &parsed) => Some(settlement),
            };
            // The semaphore is never closed.
            let settling = self.settling.acquire().await;
            drop(permit);
            match worked {
                Some(settlement) => self.settle(lease, settlement, &names).await,
                None => {
                    tracing::warn!(
                        image.id = names.ids(),
                        object.key = names.keys(),
                        "the lease is lost: the work is dropped, the message left alone"
                    );
                    metrics::settled(Outcome::LeaseLost);
                }
            }
            drop(settling);
        }
        .instrument(span)
        .await;
    }

    fn measure(&self, message: &Message) {
        metrics::receive_count(message.receive_count);
        let age = self.worker.clock.now().since(message.sent_at);
        metrics::received_age(age);
        if message.receive_count == 1 {
            metrics::queue_lag(age);
        }
    }

    /// Handles every record of the message and combines the results.
    async fn work(&self, message: &Message, parsed: &Result<Vec<Event>, ParseError>) -> Settlement {
        let is_last = self.max_receives.is_some_and(|max| message.receive_count >= max);
        let events = match parsed {
            Ok(events) => events,
            Err(error) => {
                self.log_unusable(message, &[error.to_string()]);
                let delay = dead_delay(message.receive_count, self.max_receives);
                return Settlement::Dead { is_last, delay };
            }
        };
        let kept = self.kept(message, events);
        // A kept message is reported when it becomes a dead letter; until then
        // `BucketEvidence::judge` logs that the setting may be wrong.
        if kept.is_none() || is_last {
            self.log_unusable(message, &self.unusable_records(events));
        }
        let delivery = Delivery {
            message: message.id.clone(),
            receive_count: message.receive_count,
            is_last,
            draining: self.draining.clone(),
            abandoned: self.abandoned.clone(),
        };
        let mut results = Vec::with_capacity(events.len());
        for event in events {
            results.push(match event {
                Event::Ignored(what) => {
                    tracing::debug!(what, "nothing to do");
                    EventResult::Done(Outcome::Ignored)
                }
                Event::Unreadable(_) => EventResult::Dead { outage: None },
                Event::Created(created) => match kept {
                    Some(result) => result,
                    None => self.worker.pipeline.process(created, &delivery).await,
                },
            });
        }
        self.update_breaker(&results);
        match self.combine(&results, message, is_last) {
            Settlement::Retry(_) if kept.is_some() => Settlement::Retry(self.kept_delay(message, is_last)),
            Settlement::Dead { is_last, .. } if kept.is_some() => {
                Settlement::Dead { is_last, delay: self.kept_delay(message, is_last) }
            }
            settlement => settlement,
        }
    }

    /// The result of every event of a kept message: all its events are of other buckets, and none of this bucket was
    /// received.
    fn kept(&self, message: &Message, events: &[Event]) -> Option<EventResult> {
        match self.bucket_evidence.judge(message, events)? {
            OtherBucket::Kept { is_trouble } => Some(EventResult::Retry { outage: is_trouble.then_some(Outage::Any) }),
            OtherBucket::Unrelated => None,
        }
    }

    fn kept_delay(&self, message: &Message, is_last: bool) -> Duration {
        kept_delay(message.receive_count, is_last).max(self.breaker.remaining())
    }

    /// Why records of the message can never be processed: they are unreadable, or of another bucket.
    fn unusable_records(&self, events: &[Event]) -> Vec<String> {
        let own = &self.worker.pipeline.upload_location.bucket;
        let reasons = events.iter().filter_map(|event| match event {
            Event::Unreadable(error) => Some(error.to_string()),
            Event::Created(created) if created.bucket != *own => {
                Some(format!("an event of bucket {:?}, while uploads are expected in {own:?}", created.bucket))
            }
            Event::Created(_) | Event::Ignored(_) => None,
        });
        reasons.collect()
    }

    /// Logs why the message can never be processed: one ERROR for all receives of the message, otherwise DEBUG.
    fn log_unusable(&self, message: &Message, reasons: &[String]) {
        let Some(error) = reasons.first() else { return };
        let records = reasons.len();
        if is_reported_on(message.receive_count, self.max_receives) {
            tracing::error!(error, records, "the message is not an upload event of this bucket");
        } else {
            tracing::debug!(error, records, "the message is not an upload event of this bucket");
        }
    }

    /// Any outage opens the breaker; work that needs what failed closes it.
    fn update_breaker(&self, results: &[EventResult]) {
        let outages = results.iter().filter_map(|result| match result {
            EventResult::Retry { outage } | EventResult::Dead { outage } => *outage,
            EventResult::Done(_) | EventResult::GivenBack => None,
        });
        if let Some(outage) = outages.max() {
            self.breaker.failed(outage);
            return;
        }
        for result in results {
            if let EventResult::Done(outcome) = result {
                self.breaker.succeeded(*outcome);
            }
        }
    }

    /// One settlement for all records: a retry takes precedence over a dead letter.
    fn combine(&self, results: &[EventResult], message: &Message, is_last: bool) -> Settlement {
        if results.contains(&EventResult::GivenBack) {
            return Settlement::GiveBack;
        }
        let must_retry = results.iter().any(|result| matches!(result, EventResult::Retry { .. }));
        if must_retry && !is_last {
            return Settlement::Retry(retry_delay(message.receive_count).max(self.breaker.remaining()));
        }
        if must_retry || results.iter().any(|result| matches!(result, EventResult::Dead { .. })) {
            return Settlement::Dead { is_last, delay: dead_delay(message.receive_count, self.max_receives) };
        }
        let outcome = results.iter().find_map(|result| match result {
            EventResult::Done(outcome) if *outcome != Outcome::Ignored => Some(*outcome),
            _ => None,
        });
        Settlement::Delete(outcome.unwrap_or(Outcome::Ignored))
    }
}

/// Whether to report an unusable message on this receive: on the one after which the queue moves it to the dead
/// letters, or on the first if the queue has no receive limit.
fn is_reported_on(receive_count: u32, max_receives: Option<u32>) -> bool {
    max_receives.map_or(receive_count == 1, |max| receive_count >= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unusable_message_is_reported_on_its_last_receive_or_its_first_without_a_limit() {
        let reported = |max| (1..=4).filter(|receive| is_reported_on(*receive, max)).collect::<Vec<_>>();
        assert_eq!(reported(Some(1)), [1, 2, 3, 4]);
        assert_eq!(reported(Some(3)), [3, 4]);
        assert_eq!(reported(Some(5)), [0; 0]);
        assert_eq!(reported(None), [1]);
    }
}
