//! Reads the policy that Terraform deploys out of `terraform show -json`.

use serde_json::Value;

use super::policy::{Metric, Policy};

/// A plan that the policy cannot be read from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan has no {0}")]
pub struct PlanError(pub &'static str);

/// The policy of a plan or a state; what the plan does not say is taken from `otherwise`.
///
/// # Errors
/// When it has no scalable target or no target tracking policy for it.
pub fn policy_of_plan(plan: &Value, otherwise: &Policy) -> Result<Policy, PlanError> {
    let values = if plan["planned_values"].is_object() { &plan["planned_values"] } else { &plan["values"] };
    let resources = values["root_module"]["resources"].as_array().ok_or(PlanError("resources"))?;
    let of_type = |kind: &'static str| resources.iter().filter(move |r| r["type"] == kind).map(|r| &r["values"]);
    let target = of_type("aws_appautoscaling_target").next().ok_or(PlanError("aws_appautoscaling_target"))?;
    let tracking = of_type("aws_appautoscaling_policy")
        .find_map(|policy| policy["target_tracking_scaling_policy_configuration"].get(0))
        .ok_or(PlanError("target tracking policy"))?;
    let step =
        of_type("aws_appautoscaling_policy").find_map(|policy| policy["step_scaling_policy_configuration"].get(0));
    let variable = |name: &str| number(&plan["variables"][name]["value"]);
    let minutes = |value: &Value| number(value).map(|seconds| (seconds / 60.0).ceil() as u64);
    let target_value = number(&tracking["target_value"]).ok_or(PlanError("target value"))?;
    Ok(Policy {
        metric: metric(tracking, target_value, variable("acceptable_latency_seconds")),
        min_tasks: number(&target["min_capacity"]).map_or(otherwise.min_tasks, |tasks| tasks as u32),
        max_tasks: number(&target["max_capacity"]).map_or(otherwise.max_tasks, |tasks| tasks as u32),
        scale_out_cooldown_minutes: minutes(&tracking["scale_out_cooldown"])
            .unwrap_or(otherwise.scale_out_cooldown_minutes),
        scale_in_cooldown_minutes: minutes(&tracking["scale_in_cooldown"])
            .unwrap_or(otherwise.scale_in_cooldown_minutes),
        wake_cooldown_minutes: step
            .and_then(|step| minutes(&step["cooldown"]))
            .unwrap_or(otherwise.wake_cooldown_minutes),
        seconds_per_image: variable("seconds_per_image").unwrap_or(otherwise.seconds_per_image),
        render_slots: variable("worker_cpu").map_or(otherwise.render_slots, |cpu| (cpu as u32).div_ceil(1024).max(1)),
        ..otherwise.clone()
    })
}

/// Whether what arrives is part of the metric tells which of the two it is.
fn metric(tracking: &Value, target: f64, acceptable_latency_seconds: Option<f64>) -> Metric {
    let queries = tracking["customized_metric_specification"][0]["metrics"].as_array();
    let has_arrivals = queries.is_some_and(|queries| {
        queries.iter().any(|query| query["metric_stat"][0]["metric"][0]["metric_name"] == "NumberOfMessagesSent")
    });
    match acceptable_latency_seconds {
        Some(acceptable_latency_seconds) if has_arrivals => Metric::Load { target, acceptable_latency_seconds },
        _ => Metric::BacklogPerTask { target },
    }
}

/// A number, also one that is written as text, as Terraform writes some.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plan(metric_name: &str) -> Value {
        let metric = json!({"metric_stat": [{"metric": [{"metric_name": metric_name}]}]});
        json!({
            "variables": {
                "seconds_per_image": {"value": 0.5},
                "acceptable_latency_seconds": {"value": 30},
                "worker_cpu": {"value": 2048},
            },
            "planned_values": {"root_module": {"resources": [
                {"type": "aws_sqs_queue", "values": {}},
                {"type": "aws_appautoscaling_target", "values": {"min_capacity": 2, "max_capacity": 7}},
                {"type": "aws_appautoscaling_policy", "values": {
                    "target_tracking_scaling_policy_configuration": [{
                        "target_value": 0.7, "scale_out_cooldown": 90, "scale_in_cooldown": "300",
                        "customized_metric_specification": [{"metrics": [metric]}],
                    }],
                    "step_scaling_policy_configuration": [],
                }},
            ]}},
        })
    }

    #[test]
    fn the_deployed_policy_is_read_from_the_plan() {
        let policy = policy_of_plan(&plan("NumberOfMessagesSent"), &Policy::default()).unwrap();
        assert_eq!(policy.metric, Metric::Load { target: 0.7, acceptable_latency_seconds: 30.0 });
        assert_eq!((policy.min_tasks, policy.max_tasks, policy.render_slots), (2, 7, 2));
        assert_eq!((policy.scale_out_cooldown_minutes, policy.scale_in_cooldown_minutes), (2, 5));
        assert_eq!(policy.seconds_per_image, 0.5);
        let policy = policy_of_plan(&plan("ApproximateNumberOfMessagesVisible"), &Policy::default()).unwrap();
        assert_eq!(policy.metric, Metric::BacklogPerTask { target: 0.7 });
    }

    #[test]
    fn a_plan_without_scaling_is_no_policy() {
        let empty = json!({"planned_values": {"root_module": {"resources": []}}});
        assert_eq!(policy_of_plan(&empty, &Policy::default()), Err(PlanError("aws_appautoscaling_target")));
        assert_eq!(policy_of_plan(&json!({}), &Policy::default()), Err(PlanError("resources")));
    }
}
