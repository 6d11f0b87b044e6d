//! Checks that the queue's redrive policy names the dead-letter queue of the settings.

use aws_sdk_sqs::types::QueueAttributeName;

use super::Resources;
use crate::backends::aws::errors;
use crate::backends::{Finding, Probe};
use crate::ports::{ErrorKind, Operation, PortError};

impl Resources<'_> {
    /// Compares the target of the redrive policy with `DARKROOM_DLQ_URL`, if the settings name both queues. Without the
    /// permission to read both, the finding is unknown.
    pub(super) async fn redrive_policy(&self) -> Option<Probe> {
        let (queue, dead_letters) = (self.aws.queue_url.as_ref()?, self.aws.dlq_url.as_ref()?);
        let finding = match tokio::join!(
            self.attribute(queue, QueueAttributeName::RedrivePolicy),
            self.attribute(dead_letters, QueueAttributeName::QueueArn),
        ) {
            (Ok(policy), Ok(arn)) => judge(policy.as_deref(), arn.as_deref()),
            (Err(error), _) | (_, Err(error)) if error.kind == ErrorKind::Denied && !error.is_missing() => {
                Finding::Unknown("this user may not read both queues: sqs:GetQueueAttributes".to_owned())
            }
            (Err(error), _) | (_, Err(error)) => Finding::Fails(error.chain()),
        };
        Some(Probe { action: "redrive policy", on: format!("{queue} -> {dead_letters}"), finding })
    }

    async fn attribute(&self, url: &str, name: QueueAttributeName) -> Result<Option<String>, PortError> {
        let get = self.clients.sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone());
        let answer =
            get.send().await.map_err(|error| errors::port_error(Operation::QueueAttributes, &error).on(url))?;
        Ok(answer.attributes.and_then(|mut attributes| attributes.remove(&name)))
    }
}

/// Judges a queue's redrive policy, with the ARN of the dead-letter queue that the settings name.
fn judge(policy: Option<&str>, dead_letters: Option<&str>) -> Finding {
    let Some(policy) = policy else {
        return Finding::Fails("the queue has no redrive policy: no message becomes a dead letter".to_owned());
    };
    let target = serde_json::from_str::<serde_json::Value>(policy).ok();
    let target = target.as_ref().and_then(|policy| policy.get("deadLetterTargetArn")?.as_str());
    match (target, dead_letters) {
        (Some(target), Some(dead_letters)) if target == dead_letters => Finding::Works,
        (Some(target), Some(_)) => Finding::Fails(format!(
            "the queue moves its dead letters to {target}, and DARKROOM_DLQ_URL is another queue"
        )),
        _ => Finding::Unknown("a queue does not report its ARN".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_target_of_the_policy_is_the_dead_letter_queue() {
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:dead","maxReceiveCount":"10"}"#;
        assert_eq!(judge(Some(policy), Some("arn:aws:sqs:us-east-1:1:dead")), Finding::Works);
        let Finding::Fails(why) = judge(Some(policy), Some("arn:aws:sqs:us-east-1:1:other")) else { panic!() };
        assert!(why.contains("to arn:aws:sqs:us-east-1:1:dead,") && why.contains("DARKROOM_DLQ_URL"), "{why}");
        assert!(matches!(judge(None, Some("arn")), Finding::Fails(why) if why.contains("no redrive policy")));
        assert!(matches!(judge(Some("{}"), Some("arn")), Finding::Unknown(_)));
        assert!(matches!(judge(Some(policy), None), Finding::Unknown(_)));
    }
}
