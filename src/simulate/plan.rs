//! Reads the deployed policy from the output of `terraform show -json`.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::policy::{Metric, Policy};

/// A plan that does not contain a readable policy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A part of the policy is missing.
    #[error("the plan has no {0}")]
    Missing(&'static str),
    /// A number that cannot be simulated.
    #[error("{attribute} is {value}; it must be from {} to {}", range.start(), range.end())]
    OutOfRange {
        /// The attribute, or the variable of the metric's expression.
        attribute: &'static str,
        /// The value as written in the plan.
        value: String,
        /// The valid values.
        range: RangeInclusive<f64>,
    },
}

const TASKS: RangeInclusive<f64> = 0.0..=10_000.0;
const COOLDOWN_SECONDS: RangeInclusive<f64> = 0.0..=86_400.0;
const TARGET_VALUE: RangeInclusive<f64> = 0.01..=1e6;
const SECONDS_PER_IMAGE: RangeInclusive<f64> = 0.001..=3600.0;
const ACCEPTABLE_LATENCY_SECONDS: RangeInclusive<f64> = 0.001..=86_400.0;
const CORES: RangeInclusive<f64> = 0.01..=1000.0;

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
/// When it has no scalable target, no target tracking policy for it, a policy with an unknown metric, or a number out
/// of range: a policy that cannot be replayed as deployed is not replayed at all.
pub fn policy_of_plan(plan: &Value, otherwise: &Policy) -> Result<Policy, PlanError> {
    let values = if plan["planned_values"].is_object() { &plan["planned_values"] } else { &plan["values"] };
    let resources = values["root_module"]["resources"].as_array().ok_or(PlanError::Missing("resources"))?;
    let of_type = |kind: &'static str| resources.iter().filter(move |r| r["type"] == kind).map(|r| &r["values"]);
    let target = of_type("aws_appautoscaling_target").next().ok_or(PlanError::Missing("aws_appautoscaling_target"))?;
    let tracking = of_type("aws_appautoscaling_policy")
        .find_map(|policy| policy["target_tracking_scaling_policy_configuration"].get(0))
        .ok_or(PlanError::Missing("target tracking policy"))?;
    let step =
        of_type("aws_appautoscaling_policy").find_map(|policy| policy["step_scaling_policy_configuration"].get(0));
    let tasks =
        |name, otherwise| attribute(target, name, TASKS).map(|number| number.map_or(otherwise, |tasks| tasks as u32));
    let minutes = |values, name, otherwise| {
        let seconds = attribute(values, name, COOLDOWN_SECONDS)?;
        Ok(seconds.map_or(otherwise, |seconds| (seconds / 60.0).ceil() as u64))
    };
    let target_value = attribute(tracking, "target_value", TARGET_VALUE)?.ok_or(PlanError::Missing("target value"))?;
    let numbers = metric_numbers(&tracking["customized_metric_specification"][0]["metrics"])?;
    Ok(Policy {
        metric: Metric::Load {
            target: target_value,
            acceptable_latency_seconds: numbers.acceptable_latency_seconds,
            seconds_per_image: numbers.seconds_per_image,
            cores: numbers.cores,
        },
        min_tasks: tasks("min_capacity", otherwise.min_tasks)?,
        max_tasks: tasks("max_capacity", otherwise.max_tasks)?,
        scale_out_cooldown_minutes: minutes(tracking, "scale_out_cooldown", otherwise.scale_out_cooldown_minutes)?,
        scale_in_cooldown_minutes: minutes(tracking, "scale_in_cooldown", otherwise.scale_in_cooldown_minutes)?,
        wake_cooldown_minutes: step.map_or(Ok(otherwise.wake_cooldown_minutes), |step| {
            minutes(step, "cooldown", otherwise.wake_cooldown_minutes)
        })?,
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

/// The numbers of the returned metric.
fn metric_numbers(queries: &Value) -> Result<MetricNumbers, PlanError> {
    const UNKNOWN: PlanError = PlanError::Missing("scaling metric that can be replayed");
    let [latency, seconds, cores] = expression_numbers(queries).ok_or(UNKNOWN)?;
    let required = |attribute, text, range| number(attribute, text, range)?.ok_or(UNKNOWN);
    Ok(MetricNumbers {
        acceptable_latency_seconds: required("acceptable_latency_seconds", latency, ACCEPTABLE_LATENCY_SECONDS)?,
        seconds_per_image: required("seconds_per_image", seconds, SECONDS_PER_IMAGE)?,
        cores: required("cores", cores, CORES)?,
    })
}

/// The texts of the acceptable latency, the seconds per image and the cores in the expression of the returned metric;
/// `None` if the expression or its variables differ.
fn expression_numbers(queries: &Value) -> Option<[&str; 3]> {
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
    Some([latency, seconds, cores])
}

/// The number of an attribute, which Terraform sometimes writes as text; `None` without one.
fn attribute(values: &Value, name: &'static str, range: RangeInclusive<f64>) -> Result<Option<f64>, PlanError> {
    match &values[name] {
        Value::String(text) => number(name, text, range),
        value => number(name, &value.to_string(), range),
    }
}

/// The number in a text; `None` if it has none.
fn number(attribute: &'static str, text: &str, range: RangeInclusive<f64>) -> Result<Option<f64>, PlanError> {
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        Ok(_) => Err(PlanError::OutOfRange { attribute, value: text.to_owned(), range }),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const DEPLOYED: &str =
        "(FILL(sent,0)/60+(FILL(visible,0)+FILL(inflight,0))/30)*0.5/2/IF(FILL(running,0)<1,1,running)";

    fn values(expression: &str, statistic_of_sent: &str) -> Value {
        let metric = |(id, name, statistic): (&str, &str, &str)| {
            let source = json!([{"metric_name": name}]);
            json!({"id": id, "metric_stat": [{"metric": source, "stat": statistic}]})
        };
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
        let unknown = Err(PlanError::Missing("scaling metric that can be replayed"));
        for (expression, statistic) in [
            ("(FILL(visible,0)+FILL(inflight,0))/IF(FILL(running,0)<1,1,running)", "Sum"),
            (&*DEPLOYED.replace("/60", "/300"), "Sum"),
            (&*DEPLOYED.replace("*0.5", "*half"), "Sum"),
            (DEPLOYED, "Average"),
        ] {
            let plan = json!({"values": values(expression, statistic)});
            assert_eq!(policy_of_plan(&plan, &Policy::default()), unknown, "{expression} {statistic}");
        }
    }

    /// A policy whose parts have these values.
    fn plan_with(attribute: &str, value: &Value) -> Value {
        let expression = match attribute {
            "acceptable_latency_seconds" => DEPLOYED.replace("/30)", &format!("/{})", text(value))),
            "seconds_per_image" => DEPLOYED.replace("*0.5/", &format!("*{}/", text(value))),
            "cores" => DEPLOYED.replace("/2/IF", &format!("/{}/IF", text(value))),
            _ => DEPLOYED.to_owned(),
        };
        let mut values = values(&expression, "Sum");
        let resources = &mut values["root_module"]["resources"];
        let scaling = &mut resources[2]["values"];
        scaling["step_scaling_policy_configuration"] = json!([{"cooldown": 180}]);
        match attribute {
            "min_capacity" | "max_capacity" => resources[1]["values"][attribute] = value.clone(),
            "cooldown" => scaling["step_scaling_policy_configuration"][0][attribute] = value.clone(),
            "target_value" | "scale_out_cooldown" | "scale_in_cooldown" => {
                scaling["target_tracking_scaling_policy_configuration"][0][attribute] = value.clone();
            }
            _ => {}
        }
        json!({"values": values})
    }

    fn text(value: &Value) -> String {
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    #[test]
    fn a_number_out_of_range_is_refused_with_its_attribute() {
        for (attribute, right, wrong, range) in [
            (
                "min_capacity",
                [json!(0), json!(1), json!(9999), json!(10_000)],
                [json!(-1), json!(10_001)],
                "0 to 10000",
            ),
            (
                "max_capacity",
                [json!(0), json!(1), json!(9999), json!(10_000)],
                [json!(-1), json!(10_001)],
                "0 to 10000",
            ),
            (
                "target_value",
                [json!(0.01), json!(0.011), json!(999_999), json!(1e6)],
                [json!(0.009), json!(1_000_001)],
                "0.01 to 1000000",
            ),
            (
                "scale_out_cooldown",
                [json!(0), json!(1), json!(86_399), json!(86_400)],
                [json!(-1), json!(86_401)],
                "0 to 86400",
            ),
            (
                "scale_in_cooldown",
                [json!(0), json!("1"), json!("86399"), json!("86400")],
                [json!("-1"), json!("86401")],
                "0 to 86400",
            ),
            ("cooldown", [json!(0), json!(1), json!(86_399), json!(86_400)], [json!(-1), json!(86_401)], "0 to 86400"),
            (
                "acceptable_latency_seconds",
                [json!(0.001), json!(0.002), json!(86_399), json!(86_400)],
                [json!(0), json!(86_401)],
                "0.001 to 86400",
            ),
            (
                "seconds_per_image",
                [json!(0.001), json!(0.002), json!(3599), json!(3600)],
                [json!(0), json!(3601)],
                "0.001 to 3600",
            ),
            ("cores", [json!(0.01), json!(0.02), json!(999), json!(1000)], [json!(0.009), json!(1001)], "0.01 to 1000"),
        ] {
            for value in right {
                let policy = policy_of_plan(&plan_with(attribute, &value), &Policy::default());
                assert!(policy.is_ok(), "{attribute} {value}: {policy:?}");
            }
            let excessive = ["inf", "nan", "1e30"].map(|value| json!(value));
            for value in wrong.iter().chain(&excessive) {
                let error = policy_of_plan(&plan_with(attribute, value), &Policy::default()).unwrap_err();
                assert_eq!(error.to_string(), format!("{attribute} is {}; it must be from {range}", text(value)));
            }
        }
        let tiny = policy_of_plan(&plan_with("cores", &json!("1e-320")), &Policy::default()).unwrap_err();
        assert_eq!(tiny.to_string(), "cores is 1e-320; it must be from 0.01 to 1000");
    }

    #[test]
    fn a_plan_without_scaling_is_no_policy() {
        let empty = json!({"planned_values": {"root_module": {"resources": []}}});
        assert_eq!(policy_of_plan(&empty, &Policy::default()), Err(PlanError::Missing("aws_appautoscaling_target")));
        assert_eq!(policy_of_plan(&json!({}), &Policy::default()), Err(PlanError::Missing("resources")));
    }
}
