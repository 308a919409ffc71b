//! What Pod or the network said, short and without secrets, for errors and logs.

use serde_json::Value;

/// Characters of an answer that are shown.
const SHOWN: usize = 400;

/// An answer; Pod returns the passwords of videos in clear, so they are left out.
pub(super) fn json(value: &Value) -> String {
    let mut value = value.clone();
    redact(&mut value);
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "password" && value.is_string() {
                    *value = "(hidden)".into();
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(redact),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn passwords_are_hidden_and_answers_short() {
        let answer = json!({"results": [{"password": "s3cret", "title": "x"}]});
        assert_eq!(
            json(&answer),
            r#"{"results":[{"password":"(hidden)","title":"x"}]}"#
        );
        let complaint = json!({"password": ["Ensure this field has no more than 50 characters."]});
        assert!(json(&complaint).contains("no more than 50"));
        assert_eq!(json(&"é".repeat(1000).into()).chars().count(), SHOWN + 1);
    }
}
