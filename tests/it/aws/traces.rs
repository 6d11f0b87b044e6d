//! Traces across the queue: the trace headers of a message are fields of its span in the log.

use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends as SystemAttribute, MessageSystemAttributeValue,
};
use darkroom::ports::queue::TraceHeaders;
use darkroom::record::Status;

use super::account::{Account, ministack};
use super::deployment::{Deployment, Plan};
use crate::images;

/// The examples of <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
/// and <https://www.w3.org/TR/trace-context/#traceparent-header>.
const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// Sends a message as an instrumented client does.
async fn send_traced(account: &Account, queue_url: &str, body: &str) {
    let traceparent = MessageAttributeValue::builder().data_type("String").string_value(TRACEPARENT).build().unwrap();
    let xray = MessageSystemAttributeValue::builder().data_type("String").string_value(XRAY).build().unwrap();
    let send = account.clients.sqs.send_message().queue_url(queue_url).message_body(body);
    let send = send.message_attributes("traceparent", traceparent);
    send.message_system_attributes(SystemAttribute::AwsTraceHeader, xray).send().await.unwrap();
}

#[tokio::test]
async fn the_trace_headers_of_a_message_are_on_its_span() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan { is_quiet: true, ..Plan::default() }).await;
    let id = deployment.put("cat", &images::jpeg(64, 48)).await;
    let body = deployment.event_of("cat");
    send_traced(&deployment.account, deployment.setting("DARKROOM_QUEUE_URL"), &body).await;
    let worker = deployment.start("worker", &[("DARKROOM_LOG", "json")]).await;
    deployment.expect(&id, Status::Published).await;
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    let printed = worker.printed();
    let settled: Vec<_> = printed.lines().filter(|line| line.contains("\"settled\"")).collect();
    let [settled] = settled[..] else { panic!("{printed}") };
    let settled: serde_json::Value = serde_json::from_str(settled).unwrap();
    let span = &settled["span"];
    assert_eq!((&span["trace.xray"], &span["trace.traceparent"]), (&XRAY.into(), &TRACEPARENT.into()), "{settled}");
    worker.stop().await;
}

/// Also received by the port without a worker.
#[tokio::test]
async fn a_message_without_trace_headers_has_none() {
    use darkroom::ports::Queue as _;
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan { is_quiet: true, ..Plan::default() }).await;
    deployment.queue.send("no event").await.unwrap();
    let second = std::time::Duration::from_secs(1);
    let received = deployment.queue.receive(1, second, second).await.unwrap();
    assert_eq!(received[0].trace, TraceHeaders::default());
}
