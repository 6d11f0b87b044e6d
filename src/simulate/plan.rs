//! Reads the deployed policy from the output of `terraform show -json`.

use serde_json::Value;

use super::policy::{Metric, Policy};

/// A plan that does not contain a readable policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the plan has no {0}")]
pub struct PlanError(pub &'static str);

/// The metric expression of terraform/scaling.tf: the part before its first number, and the part after its last.
const EXPRESSION: (&str, &str) =
    ("(FILL(sent,0)/60+(FILL(visible,0)+FILL(inflight,0))/", "/IF(FILL(running,0)<1,1,running)");

/// The variables in the expression, with CloudWatch's metric and statistic.
const NAMES: [(&str, &str, &str); 4] = [
    ("sent", "NumberOfMessagesSent", "Sum"),
    ("visible", "ApproximateNumberOfMessagesVisible", "Maximum"),
    ("inflight", "ApproximateNumberOfMessagesNotVisible", "Maximum"),
    ("running", "RunningTaskCount", "Average"),
];

/// The policy of a plan or a state; missing values are taken from `otherwise`.
///
/// # Errors
/// When it has no scalable target, no target tracking policy for it, or a policy with an unknown metric: a policy that
/// cannot be replayed as deployed is not replayed at all.
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
    let tasks = |value: &Value, otherwise| number(value).map_or(otherwise, |tasks| tasks as u32);
    let minutes = |value: &Value, otherwise| number(value).map_or(otherwise, |seconds| (seconds / 60.0).ceil() as u64);
    let target_value = number(&tracking["target_value"]).ok_or(PlanError("target value"))?;
    let queries = &tracking["customized_metric_specification"][0]["metrics"];
    let numbers = metric_numbers(queries).ok_or(PlanError("scaling metric that can be replayed"))?;
    Ok(Policy {
        metric: Metric::Load {
            target: target_value,
            acceptable_latency_seconds: numbers.acceptable_latency_seconds,
            seconds_per_image: numbers.seconds_per_image,
            cores: numbers.cores,
        },
        min_tasks: tasks(&target["min_capacity"], otherwise.min_tasks),
        max_tasks: tasks(&target["max_capacity"], otherwise.max_tasks),
        scale_out_cooldown_minutes: minutes(&tracking["scale_out_cooldown"], otherwise.scale_out_cooldown_minutes),
        scale_in_cooldown_minutes: minutes(&tracking["scale_in_cooldown"], otherwise.scale_in_cooldown_minutes),
        wake_cooldown_minutes: step.map_or(otherwise.wake_cooldown_minutes, |step| {
            minutes(&step["cooldown"], otherwise.wake_cooldown_minutes)
        }),
        // A fraction of a core is one slot that is slower.
        seconds_per_image: numbers.seconds_per_image / numbers.cores.min(1.0),
        render_slots: numbers.cores.max(1.0) as u32,
        ..otherwise.clone()
    })
}

/// The numbers in the metric expression.
struct MetricNumbers {
    acceptable_latency_seconds: f64,
    seconds_per_image: f64,
    cores: f64,
}

/// The numbers of the returned metric; `None` if its expression or its variables differ.
fn metric_numbers(queries: &Value) -> Option<MetricNumbers> {
    let queries = queries.as_array()?;
    for (id, name, statistic) in NAMES {
        let metric = &queries.iter().find(|query| query["id"] == id)?["metric_stat"][0];
        if metric["metric"][0]["metric_name"] != name || metric["stat"] != statistic {
            return None;
        }
    }
    let expression = queries.iter().find(|query| query["return_data"] == true)?["expression"].as_str()?;
    let numbers = expression.strip_prefix(EXPRESSION.0)?.strip_suffix(EXPRESSION.1)?;
    let (latency, rest) = numbers.split_once(")*")?;
    let (seconds, cores) = rest.split_once('/')?;
    let positive = |text: &str| text.parse().ok().filter(|number: &f64| *number > 0.0);
    Some(MetricNumbers {
        acceptable_latency_seconds: positive(latency)?,
        seconds_per_image: positive(seconds)?,
        cores: positive(cores)?,
    })
}

/// A number, which Terraform sometimes writes as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DEPLOYED: &str =
        "(FILL(sent,0)/60+(FILL(visible,0)+FILL(inflight,0))/30)*0.5/2/IF(FILL(running,0)<1,1,running)";

    fn values(expression: &str, statistic_of_sent: &str) -> Value {
        let metric = |(id, name, statistic): (&str, &str, &str)| json!({"id": id, "metric_stat": [{"metric": [{"metric_name": name}], "stat": statistic}]});
        let mut metrics = NAMES.map(metric).to_vec();
        metrics[0]["metric_stat"][0]["stat"] = json!(statistic_of_sent);
        metrics.push(json!({"id": "needed_tasks", "expression": expression, "return_data": true}));
        json!({"root_module": {"resources": [
            {"type": "aws_sqs_queue", "values": {}},
            {"type": "aws_appautoscaling_target", "values": {"min_capacity": 2, "max_capacity": 7}},
            {"type": "aws_appautoscaling_policy", "values": {
                "target_tracking_scaling_policy_configuration": [{
                    "target_value": 0.7, "scale_out_cooldown": 90, "scale_in_cooldown": "300",
                    "customized_metric_specification": [{"metrics": metrics}],
                }],
                "step_scaling_policy_configuration": [],
            }},
        ]}})
    }

    #[test]
    fn the_deployed_policy_is_read_from_plan_and_state() {
        let plan = json!({"planned_values": values(DEPLOYED, "Sum")});
        let policy = policy_of_plan(&plan, &Policy::default()).unwrap();
        let metric = Metric::Load { target: 0.7, acceptable_latency_seconds: 30.0, seconds_per_image: 0.5, cores: 2.0 };
        assert_eq!(policy.metric, metric);
        assert_eq!((policy.min_tasks, policy.max_tasks), (2, 7));
        assert_eq!((policy.seconds_per_image, policy.render_slots), (0.5, 2));
        assert_eq!((policy.scale_out_cooldown_minutes, policy.scale_in_cooldown_minutes), (2, 5));
        let state = json!({"values": values(DEPLOYED, "Sum")});
        assert_eq!(policy_of_plan(&state, &Policy::default()), Ok(policy));
    }

    #[test]
    fn a_quarter_of_a_core_takes_four_times_as_long() {
        let plan = json!({"values": values(&DEPLOYED.replace("*0.5/2/", "*0.5/0.25/"), "Sum")});
        let policy = policy_of_plan(&plan, &Policy::default()).unwrap();
        assert_eq!((policy.seconds_per_image, policy.render_slots), (2.0, 1));
    }

    #[test]
    fn another_metric_is_refused_and_not_taken_for_ours() {
        let unknown = Err(PlanError("scaling metric that can be replayed"));
        for (expression, statistic) in [
            ("(FILL(visible,0)+FILL(inflight,0))/IF(FILL(running,0)<1,1,running)", "Sum"),
            (&*DEPLOYED.replace("/60", "/300"), "Sum"),
            (&*DEPLOYED.replace("*0.5", "*0"), "Sum"),
            (DEPLOYED, "Average"),
        ] {
            let plan = json!({"values": values(expression, statistic)});
            assert_eq!(policy_of_plan(&plan, &Policy::default()), unknown, "{expression} {statistic}");
        }
    }

    #[test]
    fn a_plan_without_scaling_is_no_policy() {
        let empty = json!({"planned_values": {"root_module": {"resources": []}}});
        assert_eq!(policy_of_plan(&empty, &Policy::default()), Err(PlanError("aws_appautoscaling_target")));
        assert_eq!(policy_of_plan(&json!({}), &Policy::default()), Err(PlanError("resources")));
    }
}
