//! The queue on SQS: long polls, and batches with one answer per entry.

mod batcher;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    Message as SqsMessage, MessageSystemAttributeName as MessageAttribute, QueueAttributeName,
};
use md5::{Digest, Md5};

use self::batcher::Batcher;
use super::clients::{self, EXTEND, INSPECT, RetryPolicy, SEND, SETTLE};
use super::errors;
use crate::clock::Timestamp;
use crate::ports::queue::{MAX_BATCH, MAX_WAIT, Message, QueueAttributes, Receipt, TraceHeaders};
use crate::ports::{ErrorKind, Operation, PortError, Queue};

/// The longest visibility timeout of SQS: 12 hours.
const MAX_VISIBILITY: Duration = Duration::from_secs(43_200);

/// The message attribute in which OpenTelemetry's senders put the trace.
const TRACEPARENT: &str = "traceparent";

/// The longest trace header that is kept: X-Ray allows 500 characters, W3C's has 55.
const MAX_TRACE_CHARS: usize = 500;

/// The result of one entry of a batch.
type Answer = Result<(), PortError>;

/// One SQS queue.
pub struct SqsQueue {
    calls: Calls,
    deletes: Batcher<Receipt>,
    releases: Batcher<(Receipt, Duration)>,
}

#[derive(Clone)]
struct Calls {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// The queue at `url`. Deletes and releases of different tasks share calls: a batch is sent when it has ten
    /// entries, when no entry was added for 200 ms, or after a second.
    ///
    /// # Panics
    /// Outside a tokio runtime, which runs the tasks that collect the batches.
    pub fn new(client: Client, url: String) -> Self {
        let calls = Calls { client, url };
        let (deleting, releasing) = (calls.clone(), calls.clone());
        Self {
            calls,
            deletes: Batcher::new(move |receipts| {
                let calls = deleting.clone();
                async move { calls.delete(&receipts).await }
            }),
            releases: Batcher::new(move |releases| {
                let calls = releasing.clone();
                async move { calls.change_visibility(Operation::QueueRelease, SETTLE, &releases).await }
            }),
        }
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, body: &str) -> Result<String, PortError> {
        let Calls { client, url } = &self.calls;
        let sent = client.send_message().queue_url(url).message_body(body);
        let sent = sent.customize().config_override(SEND.sqs()).send().await;
        let sent = sent.map_err(|error| errors::port_error(Operation::QueueSend, &error).on(&self.calls.url))?;
        sent.message_id.ok_or_else(|| PortError::new(ErrorKind::Damaged, Operation::QueueSend))
    }

    async fn receive(&self, max: usize, wait: Duration, visibility: Duration) -> Result<Vec<Message>, PortError> {
        let Calls { client, url } = &self.calls;
        let wait = wait.min(MAX_WAIT);
        let call = client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(i32::try_from(max.clamp(1, MAX_BATCH)).unwrap_or(1))
            .wait_time_seconds(whole_seconds(wait))
            .visibility_timeout(whole_seconds(visibility.min(MAX_VISIBILITY)))
            .message_system_attribute_names(MessageAttribute::ApproximateReceiveCount)
            .message_system_attribute_names(MessageAttribute::SentTimestamp)
            .message_system_attribute_names(MessageAttribute::ApproximateFirstReceiveTimestamp)
            .message_system_attribute_names(MessageAttribute::AwsTraceHeader)
            .message_attribute_names(TRACEPARENT);
        let answer = call.customize().config_override(clients::receive(wait).sqs()).send().await;
        let answer = answer.map_err(|error| errors::port_error(Operation::QueueReceive, &error).on(&self.calls.url))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(message).collect())
    }

    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Vec<Answer> {
        let entries: Vec<_> = receipts.iter().map(|receipt| (receipt.clone(), visibility)).collect();
        self.calls.change_visibility(Operation::QueueExtend, EXTEND, &entries).await
    }

    async fn release(&self, releases: &[(Receipt, Duration)]) -> Vec<Answer> {
        self.releases.push(Operation::QueueRelease, releases.to_vec()).await
    }

    async fn delete(&self, receipts: &[Receipt]) -> Vec<Answer> {
        self.deletes.push(Operation::QueueDelete, receipts.to_vec()).await
    }

    async fn attributes(&self) -> Result<QueueAttributes, PortError> {
        let Calls { client, url } = &self.calls;
        let call = client.get_queue_attributes().queue_url(url).set_attribute_names(Some(vec![
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::RedrivePolicy,
        ]));
        let answer = call.customize().config_override(INSPECT.sqs()).send().await;
        let attributes = answer
            .map_err(|error| errors::port_error(Operation::QueueAttributes, &error).on(&self.calls.url))?
            .attributes
            .unwrap_or_default();
        let depth = |name| attributes.get(&name).and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(QueueAttributes {
            visible: depth(QueueAttributeName::ApproximateNumberOfMessages),
            in_flight: depth(QueueAttributeName::ApproximateNumberOfMessagesNotVisible),
            delayed: depth(QueueAttributeName::ApproximateNumberOfMessagesDelayed),
            oldest_age: None,
            max_receives: attributes.get(&QueueAttributeName::RedrivePolicy).and_then(|policy| max_receives(policy)),
        })
    }
}

impl Calls {
    /// Deletes in batches of ten; one answer per receipt, in order.
    ///
    /// A stale receipt is `Ok`: SQS reports success, some compatible services do not, and in both cases a later receive
    /// holds the message.
    async fn delete(&self, receipts: &[Receipt]) -> Vec<Answer> {
        let stale_is_ok = |answer: Answer| match answer {
            Err(error) if error.kind == ErrorKind::LeaseLost => Ok(()),
            other => other,
        };
        in_batches(receipts, |batch| self.delete_batch(batch)).await.into_iter().map(stale_is_ok).collect()
    }

    async fn delete_batch(&self, batch: Vec<&Receipt>) -> Vec<Answer> {
        let entries = batch.iter().enumerate().map(|(index, receipt)| {
            DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(&receipt.0).build()
        });
        let call = self.client.delete_message_batch().queue_url(&self.url);
        let answer = match entries.collect::<Result<Vec<_>, _>>() {
            Ok(entries) => call.set_entries(Some(entries)).customize().config_override(SETTLE.sqs()).send().await,
            Err(error) => Err(SdkError::construction_failure(error)),
        };
        match answer {
            Ok(answer) => entry_answers(Operation::QueueDelete, batch.len(), &answer.failed),
            Err(error) => all_failed(batch.len(), || errors::port_error(Operation::QueueDelete, &error).on(&self.url)),
        }
    }

    /// Sets visibility timeouts in batches of ten; one answer per receipt, in order.
    async fn change_visibility(
        &self,
        operation: Operation,
        policy: RetryPolicy,
        changes: &[(Receipt, Duration)],
    ) -> Vec<Answer> {
        in_batches(changes, |batch| self.change_visibility_batch(operation, policy, batch)).await
    }

    async fn change_visibility_batch(
        &self,
        operation: Operation,
        policy: RetryPolicy,
        batch: Vec<&(Receipt, Duration)>,
    ) -> Vec<Answer> {
        let entries = batch.iter().enumerate().map(|(index, (receipt, visibility))| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&receipt.0)
                .visibility_timeout(whole_seconds((*visibility).min(MAX_VISIBILITY)))
                .build()
        });
        let call = self.client.change_message_visibility_batch().queue_url(&self.url);
        let answer = match entries.collect::<Result<Vec<_>, _>>() {
            Ok(entries) => call.set_entries(Some(entries)).customize().config_override(policy.sqs()).send().await,
            Err(error) => Err(SdkError::construction_failure(error)),
        };
        match answer {
            Ok(answer) => entry_answers(operation, batch.len(), &answer.failed),
            Err(error) => all_failed(batch.len(), || errors::port_error(operation, &error).on(&self.url)),
        }
    }
}

/// Calls `call` with ten entries at a time. The SDK retries calls, not entries, so entries that fail inside a
/// successful call for a transient reason are tried once more.
async fn in_batches<'a, T, F, Fut>(entries: &'a [T], call: F) -> Vec<Answer>
where
    F: Fn(Vec<&'a T>) -> Fut,
    Fut: Future<Output = Vec<Answer>>,
{
    let mut answers = Vec::with_capacity(entries.len());
    for batch in entries.chunks(MAX_BATCH) {
        let mut first = call(batch.iter().collect()).await;
        let again: Vec<usize> = (0..first.len()).filter(|&i| is_worth_another_try(&first[i])).collect();
        if !again.is_empty() && again.len() < first.len() {
            let second = call(again.iter().map(|&i| &batch[i]).collect()).await;
            for (i, answer) in again.into_iter().zip(second) {
                first[i] = answer;
            }
        }
        answers.extend(first);
    }
    answers
}

fn is_worth_another_try(answer: &Answer) -> bool {
    answer.as_ref().is_err_and(|error| matches!(error.kind, ErrorKind::Throttled | ErrorKind::Unavailable))
}

/// The answers of a call that succeeded: `Ok` except for the entries that it lists as failed.
fn entry_answers(operation: Operation, entries: usize, failed: &[BatchResultErrorEntry]) -> Vec<Answer> {
    let mut answers: Vec<Answer> = (0..entries).map(|_| Ok(())).collect();
    for entry in failed {
        if let Some(answer) = entry.id.parse().ok().and_then(|index: usize| answers.get_mut(index)) {
            *answer = Err(errors::entry_error(operation, &entry.code, entry.message.as_deref(), entry.sender_fault));
        }
    }
    answers
}

fn all_failed(entries: usize, error: impl Fn() -> PortError) -> Vec<Answer> {
    (0..entries).map(|_| Err(error())).collect()
}

/// A received message. `None` when it is damaged: it stays invisible for its timeout and is then received again.
fn message(received: SqsMessage) -> Option<Message> {
    let body = received.body.unwrap_or_default();
    if received.md5_of_body.is_some_and(|md5| md5 != data_encoding::HEXLOWER.encode(&Md5::digest(&body))) {
        tracing::warn!(message.id = received.message_id, "a message arrived damaged and is left to be received again");
        return None;
    }
    let attributes = received.attributes.unwrap_or_default();
    let traceparent = received.message_attributes.unwrap_or_default().remove(TRACEPARENT);
    let trace = TraceHeaders {
        xray: attributes.get(&MessageAttribute::AwsTraceHeader).map(|header| trace_header(header)),
        traceparent: traceparent.and_then(|attribute| attribute.string_value).map(|header| trace_header(&header)),
    };
    let number = |name| attributes.get(&name).and_then(|text: &String| text.parse::<i64>().ok());
    let sent_at = Timestamp::from_millis(number(MessageAttribute::SentTimestamp).unwrap_or(0));
    Some(Message {
        id: received.message_id?,
        receipt: Receipt(received.receipt_handle?),
        body,
        receive_count: number(MessageAttribute::ApproximateReceiveCount).and_then(|n| n.try_into().ok()).unwrap_or(1),
        sent_at,
        first_received_at: number(MessageAttribute::ApproximateFirstReceiveTimestamp)
            .map_or(sent_at, Timestamp::from_millis),
        trace,
    })
}

/// A trace header for the log, cut to the longest that is valid.
fn trace_header(header: &str) -> String {
    header.chars().take(MAX_TRACE_CHARS).collect()
}

/// The `maxReceiveCount` of a RedrivePolicy; SQS writes a number, some compatible services a string.
fn max_receives(policy: &str) -> Option<u32> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let limit = policy.get("maxReceiveCount")?;
    limit.as_u64().or_else(|| limit.as_str()?.parse().ok())?.try_into().ok()
}

/// SQS takes whole seconds. Rounds up, since a lease must not be shorter than requested.
fn whole_seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i32::MAX)
}

/// A queue whose URL is not set. The API needs none; calls fail with an error that names the missing variable.
pub(super) struct UnsetQueue {
    /// The environment variable that sets the URL.
    pub(super) variable: &'static str,
}

impl UnsetQueue {
    fn error(&self, operation: Operation) -> PortError {
        PortError::with_source(ErrorKind::Invalid, operation, format!("{} is not set", self.variable))
    }
}

#[async_trait]
impl Queue for UnsetQueue {
    async fn send(&self, _: &str) -> Result<String, PortError> {
        Err(self.error(Operation::QueueSend))
    }

    async fn receive(&self, _: usize, _: Duration, _: Duration) -> Result<Vec<Message>, PortError> {
        Err(self.error(Operation::QueueReceive))
    }

    async fn extend(&self, receipts: &[Receipt], _: Duration) -> Vec<Answer> {
        all_failed(receipts.len(), || self.error(Operation::QueueExtend))
    }

    async fn release(&self, releases: &[(Receipt, Duration)]) -> Vec<Answer> {
        all_failed(releases.len(), || self.error(Operation::QueueRelease))
    }

    async fn delete(&self, receipts: &[Receipt]) -> Vec<Answer> {
        all_failed(receipts.len(), || self.error(Operation::QueueDelete))
    }

    /// Reports an empty queue, so that sampling the depths does not fail.
    async fn attributes(&self) -> Result<QueueAttributes, PortError> {
        Ok(QueueAttributes { visible: 0, in_flight: 0, delayed: 0, oldest_age: None, max_receives: None })
    }
}
