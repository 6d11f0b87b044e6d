//! The examples in docs/OUTCOMES.md and docs/SCALING.md.

use serde_json::Value;

use super::{run, text_of};
use crate::images;
use crate::one_machine::Site;

/// The structure of a value: types and field names, without contents.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        // All items have the same structure, so one item represents the array.
        Value::Array(items) => items.iter().take(1).map(shape).collect(),
        Value::String(_) => "text".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) | Value::Null => value.clone(),
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn the_file_of_outcomes_is_as_outcomes_shows_it() {
    let documented = lines(&text_of("docs/OUTCOMES.md", "On one machine", "json"));
    let site = Site::new();
    let mut command = site.command("local");
    command.env("DARKROOM_OUTCOMES", "on");
    let darkroom = site.run(command).await;
    let file = site.data().join("outcomes.jsonl");
    let mut written = Vec::new();
    for (content, count) in [(images::jpeg(64, 48), 1), (b"text".to_vec(), 2)] {
        site.upload(&content).await;
        crate::process::until("the outcome is written", async || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            text.ends_with('\n') && text.lines().count() == count
        })
        .await;
        written = lines(&std::fs::read_to_string(&file).unwrap());
    }
    darkroom.stop().await;
    let shapes = |lines: &[Value]| lines.iter().map(shape).collect::<Vec<_>>();
    assert_eq!(shapes(&documented), shapes(&written));
    for field in ["status", "reason"] {
        let values = |lines: &[Value]| lines.iter().map(|line| line[field].clone()).collect::<Vec<_>>();
        assert_eq!(values(&documented), values(&written));
    }
}

/// Runs both blocks. `terraform show` prints here what it prints for a plan that sets nothing.
#[tokio::test]
async fn own_arrivals_are_simulated_as_scaling_says() {
    let dir = tempfile::tempdir().unwrap();
    let script = text_of("docs/SCALING.md", "Your own settings and arrivals", "sh");
    let (plan, arrivals) = script.split_at(script.find("printf").unwrap());
    assert!(plan.contains("terraform show -json") && plan.contains("simulate --plan"), "{plan}");
    let printed = run(arrivals, dir.path(), &[]).await;
    assert!(printed.contains("| arrivals | "), "{printed}");
    assert!(dir.path().join("pictures/arrivals.svg").exists());
}
