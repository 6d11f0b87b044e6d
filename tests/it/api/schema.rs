//! The part of JSON Schema that `openapi.json` uses. An unknown keyword fails the test.

use axum::http::Uri;
use darkroom::record::ImageId;
use serde_json::Value;

/// Returns the first mismatch between `value` and the schema. References are resolved within the document.
pub(super) fn mismatch(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    let keywords = schema.as_object().unwrap_or_else(|| panic!("{schema} is no schema"));
    keywords.iter().find_map(|(keyword, rule)| {
        let is_right = match &**keyword {
            "description" | "example" => true,
            "$ref" => {
                let target = document.pointer(rule.as_str().unwrap().trim_start_matches('#')).expect("a target");
                return mismatch(document, target, value);
            }
            "properties" => {
                let properties = rule.as_object().unwrap().iter();
                let mut present = properties.filter_map(|(name, schema)| Some((name, schema, value.get(name)?)));
                return present.find_map(|(name, schema, value)| within(name, mismatch(document, schema, value)));
            }
            "additionalProperties" => return additional(document, schema, rule, value),
            "type" => list(rule).iter().any(|name| is_of_type(value, name.as_str().unwrap())),
            "required" => list(rule).iter().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "enum" => list(rule).contains(value),
            "const" => rule == value,
            "minimum" => value.as_f64().is_none_or(|number| number >= rule.as_f64().unwrap()),
            "pattern" => {
                assert_eq!(rule, "^[A-Za-z0-9_-]{1,64}$", "the one pattern that is known here");
                value.as_str().is_none_or(|text| ImageId::parse(text).is_ok())
            }
            "format" => value.as_str().is_none_or(|text| is_of_format(text, rule.as_str().unwrap())),
            unknown => panic!("the keyword {unknown} is not known here"),
        };
        (!is_right).then(|| format!("{value} is not {keyword} {rule}"))
    })
}

/// Checks fields that the schema does not name.
fn additional(document: &Value, schema: &Value, rule: &Value, value: &Value) -> Option<String> {
    let is_named = |name: &str| schema["properties"].get(name).is_some();
    let mut others = value.as_object()?.iter().filter(|(name, _)| !is_named(name));
    match rule {
        Value::Bool(false) => others.next().map(|(name, _)| format!("the field {name} is not described")),
        rule => others.find_map(|(name, value)| within(name, mismatch(document, rule, value))),
    }
}

fn within(name: &str, mismatch: Option<String>) -> Option<String> {
    mismatch.map(|mismatch| format!("{name}: {mismatch}"))
}

fn list(rule: &Value) -> &[Value] {
    rule.as_array().map_or_else(|| std::slice::from_ref(rule), Vec::as_slice)
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        unknown => panic!("the type {unknown} is not known here"),
    }
}

fn is_of_format(text: &str, name: &str) -> bool {
    match name {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "uri" => text.starts_with("urn:") || text.parse::<Uri>().is_ok_and(|uri| uri.scheme().is_some()),
        unknown => panic!("the format {unknown} is not known here"),
    }
}

#[test]
fn what_is_wrong_is_found() {
    let document = serde_json::json!({ "a": { "type": "object", "required": ["n"], "additionalProperties": false,
        "properties": { "n": { "type": "integer", "minimum": 1 }, "t": { "format": "date-time" } } } });
    let schema = serde_json::json!({ "$ref": "#/a" });
    for (value, is_right) in [
        (r#"{"n":1}"#, true),
        (r#"{"n":1,"t":"2023-11-14T22:13:20.120Z"}"#, true),
        (r#"{"n":1,"t":"yesterday"}"#, false),
        (r#"{"n":0}"#, false),
        (r#"{"n":"1"}"#, false),
        (r#"{"n":1,"x":1}"#, false),
        ("{}", false),
        ("1", false),
    ] {
        let value = serde_json::from_str(value).unwrap();
        assert_eq!(mismatch(&document, &schema, &value).is_none(), is_right, "{value}");
    }
}
