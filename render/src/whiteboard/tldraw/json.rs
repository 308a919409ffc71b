//! Numbers, points and names out of a shape's JSON, checked once and for all.

use serde_json::Value;

use super::super::Skipped;
use super::FARTHEST;
use super::vector::{V, v};

/// A finite number, not further out than anything on a slide.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|n| n.abs() <= FARTHEST)
}

/// A number under a key; what is missing is `default`, what is no number or out of reach spoils
/// the shape.
pub(super) fn number_or(object: &Value, key: &str, default: f64) -> Result<f64, Skipped> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => number(value)
            .ok_or_else(|| Skipped::because(format!("its {key} is no number or beyond any slide"))),
    }
}

/// A text under a key; empty when there is none.
pub(super) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a key holds `true`.
pub(super) fn flag(object: &Value, key: &str) -> bool {
    object.get(key).and_then(Value::as_bool).unwrap_or_default()
}

/// `[x, y]`.
pub(super) fn pair(value: Option<&Value>) -> Option<V> {
    let list = value?.as_array()?;
    Some(v(number(list.first()?)?, number(list.get(1)?)?))
}

/// `{x, y}`.
pub(super) fn xy(value: Option<&Value>) -> Option<V> {
    let object = value?;
    Some(v(number(object.get("x")?)?, number(object.get("y")?)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_sane_numbers_get_through() {
        assert_eq!(number(&json!(3.5)), Some(3.5));
        assert_eq!(number(&json!(1e300)), None);
        assert_eq!(number(&json!("3")), None);
        assert_eq!(pair(Some(&json!([1, 2, 3]))), Some(v(1.0, 2.0)));
        assert_eq!(pair(Some(&json!([1]))), None);
        assert!(number_or(&json!({"w": "x"}), "w", 1.0).is_err());
        assert_eq!(number_or(&json!({}), "w", 1.0).unwrap(), 1.0);
    }
}
