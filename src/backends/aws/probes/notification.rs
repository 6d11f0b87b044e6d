//! Checks that the upload bucket's notification sends every upload to the queue.

use aws_sdk_s3::operation::get_bucket_notification_configuration::GetBucketNotificationConfigurationOutput;
use aws_sdk_s3::types::{Event, FilterRuleName, NotificationConfigurationFilter, QueueConfiguration};
use aws_sdk_sqs::types::QueueAttributeName;

use super::Resources;
use crate::backends::aws::errors;
use crate::backends::{Finding, Probe};
use crate::ports::{ErrorKind, Operation};

/// The prefix of all events of a new object; followed by `*`, it matches all of them.
const CREATED: &str = "s3:ObjectCreated:";

impl Resources<'_> {
    /// Reads the notification, if the settings name a queue. Only this probe needs that permission: without it, the
    /// finding is unknown.
    pub(super) async fn notification(&self) -> Option<Probe> {
        let url = self.aws.queue_url.as_ref()?;
        let bucket = &self.config.upload_bucket;
        let get = self.clients.s3.get_bucket_notification_configuration().bucket(bucket).send().await;
        let finding = match get.map_err(|error| errors::port_error(Operation::ObjectsNotification, &error)) {
            Ok(configuration) => match self.arn(url).await {
                Some(queue) => judge(&configuration, &queue, &self.config.upload_prefix),
                None => Finding::Unknown("the queue does not report its ARN".to_owned()),
            },
            Err(error) if error.kind == ErrorKind::Denied && !error.is_missing() => {
                Finding::Unknown("this user may not read it: s3:GetBucketNotification".to_owned())
            }
            // Stores that have no notifications answer with an error, or with something else.
            Err(error) if error.kind == ErrorKind::Invalid => Finding::Unknown(error.chain()),
            Err(error) => Finding::Fails(error.chain()),
        };
        Some(Probe { action: "notification", on: format!("{bucket} -> {url}"), finding })
    }

    async fn arn(&self, url: &str) -> Option<String> {
        let name = QueueAttributeName::QueueArn;
        let get = self.clients.sqs.get_queue_attributes().queue_url(url).attribute_names(name.clone());
        get.send().await.ok()?.attributes?.remove(&name)
    }
}

/// Checks that the bucket sends the events of all uploads under `prefix` to the queue with the ARN `queue`.
fn judge(configuration: &GetBucketNotificationConfigurationOutput, queue: &str, prefix: &str) -> Finding {
    let (ours, others): (Vec<_>, Vec<_>) = configuration
        .queue_configurations()
        .iter()
        .filter(|to| to.events().iter().any(is_created))
        .partition(|to| to.queue_arn() == queue);
    let findings: Vec<Finding> = ours.into_iter().map(|to| judge_one(to, prefix)).collect();
    if let Some(best) = findings.into_iter().min_by_key(Finding::rank) {
        return best;
    }
    let topics = configuration.topic_configurations().iter().filter(|to| to.events().iter().any(is_created));
    let topics: Vec<&str> = topics.map(aws_sdk_s3::types::TopicConfiguration::topic_arn).collect();
    if !topics.is_empty() {
        return Finding::Unknown(format!(
            "upload events go to {}; its subscriptions are not checked",
            topics.join(", ")
        ));
    }
    if configuration.event_bridge_configuration().is_some() {
        return Finding::Unknown("upload events go to EventBridge; its rules are not checked".to_owned());
    }
    let others: Vec<&str> = others.iter().map(|to| to.queue_arn()).collect();
    Finding::Fails(match &*others {
        [] => format!("the bucket sends upload events to no queue: add a notification of {CREATED}* to {queue}"),
        others => format!("the bucket sends upload events to {}, not to {queue}", others.join(", ")),
    })
}

/// Checks that this notification to the queue covers every upload under `prefix`.
fn judge_one(to: &QueueConfiguration, prefix: &str) -> Finding {
    let filter = |name| to.filter().and_then(|filter| value_of(filter, &name)).unwrap_or_default();
    let (wanted, suffix) = (filter(FilterRuleName::Prefix), filter(FilterRuleName::Suffix));
    if !prefix.starts_with(wanted) {
        return Finding::Fails(format!(
            "uploads have the prefix {prefix:?} (DARKROOM_UPLOAD_PREFIX), the notification is for {wanted:?}"
        ));
    }
    if !suffix.is_empty() {
        return Finding::Unknown(format!("only events of keys that end in {suffix:?} reach the queue"));
    }
    if !to.events().iter().any(|event| event.as_str() == "s3:ObjectCreated:*") {
        let events: Vec<&str> = to.events().iter().map(Event::as_str).collect();
        return Finding::Unknown(format!("only {} reach the queue, not every {CREATED}*", events.join(", ")));
    }
    Finding::Works
}

/// The value of a filter rule. S3 may return rule names in another case than they were set.
fn value_of<'a>(filter: &'a NotificationConfigurationFilter, name: &FilterRuleName) -> Option<&'a str> {
    let rules = filter.key()?.filter_rules();
    let rule = rules.iter().find(|rule| rule.name().is_some_and(|it| it.as_str().eq_ignore_ascii_case(name.as_str())));
    rule.and_then(aws_sdk_s3::types::FilterRule::value)
}

fn is_created(event: &Event) -> bool {
    event.as_str().starts_with(CREATED)
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::types::{EventBridgeConfiguration, FilterRule, S3KeyFilter, TopicConfiguration};

    use super::*;

    fn to_queue(arn: &str, event: &str, rules: &[(&str, &str)]) -> QueueConfiguration {
        let rule = |(name, value): &(&str, &str)| FilterRule::builder().name((*name).into()).value(*value).build();
        let key = S3KeyFilter::builder().set_filter_rules(Some(rules.iter().map(rule).collect())).build();
        let filter = NotificationConfigurationFilter::builder().key(key).build();
        QueueConfiguration::builder().queue_arn(arn).events(event.into()).filter(filter).build().unwrap()
    }

    fn judged(queues: &[QueueConfiguration]) -> Finding {
        let configuration = GetBucketNotificationConfigurationOutput::builder();
        judge(&configuration.set_queue_configurations(Some(queues.to_vec())).build(), "arn:ours", "uploads/")
    }

    #[test]
    fn every_upload_must_reach_this_queue() {
        let all = "s3:ObjectCreated:*";
        for rules in [&[][..], &[("prefix", "uploads/")], &[("Prefix", "up")], &[("prefix", ""), ("suffix", "")]] {
            assert_eq!(judged(&[to_queue("arn:ours", all, rules)]), Finding::Works, "{rules:?}");
        }
        for (queue, says) in [
            (to_queue("arn:theirs", all, &[]), "sends upload events to arn:theirs, not to arn:ours"),
            (to_queue("arn:ours", "s3:ObjectRemoved:*", &[]), "sends upload events to no queue"),
            (to_queue("arn:ours", all, &[("prefix", "uploads/2024/")]), "the notification is for \"uploads/2024/\""),
            (to_queue("arn:ours", all, &[("Prefix", "images/")]), "uploads have the prefix \"uploads/\""),
        ] {
            let found = judged(&[queue]);
            assert!(matches!(&found, Finding::Fails(why) if why.contains(says)), "{found:?}");
        }
        for queue in [
            to_queue("arn:ours", all, &[("suffix", ".jpg")]),
            to_queue("arn:ours", "s3:ObjectCreated:Put", &[("prefix", "uploads/")]),
        ] {
            assert!(matches!(judged(std::slice::from_ref(&queue)), Finding::Unknown(_)), "{queue:?}");
            assert_eq!(judged(&[queue, to_queue("arn:ours", all, &[])]), Finding::Works);
        }
        assert!(matches!(judged(&[]), Finding::Fails(why) if why.contains("add a notification")));
    }

    #[test]
    fn what_lies_behind_a_topic_or_event_bridge_is_unknown() {
        let topic = TopicConfiguration::builder().topic_arn("arn:topic").events("s3:ObjectCreated:*".into());
        let topic = GetBucketNotificationConfigurationOutput::builder().topic_configurations(topic.build().unwrap());
        let found = judge(&topic.build(), "arn:ours", "uploads/");
        assert!(matches!(&found, Finding::Unknown(why) if why.contains("arn:topic")), "{found:?}");
        let bridge = EventBridgeConfiguration::builder().build();
        let bridge = GetBucketNotificationConfigurationOutput::builder().event_bridge_configuration(bridge).build();
        assert!(matches!(judge(&bridge, "arn:ours", "uploads/"), Finding::Unknown(_)));
    }
}
