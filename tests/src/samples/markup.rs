//! Text as BigBlueButton's scripts write it: Ruby's numbers, XML escapes of either era.

/// A number as Ruby prints a float: `4.0`, `0.315`, with at most `decimals` decimals.
pub(super) fn number(value: f64, decimals: i32) -> String {
    let scale = 10f64.powi(decimals);
    format!("{:?}", (value * scale).round() / scale)
}

/// A time in seconds, rounded to the tenth as every timed file has it.
pub(super) fn seconds(value: f64) -> String {
    number(value, 1)
}

/// Text for an XML file without an encoding line: what is not ASCII becomes numeric references.
pub(super) fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in utf8(text).chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            out.push_str(&format!("&#x{:X};", u32::from(c)));
        }
    }
    out
}

/// Text for a UTF-8 XML file, element or attribute.
pub(super) fn utf8(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_ruby_prints_them() {
        assert_eq!(number(4.0, 4), "4.0");
        assert_eq!(number(0.3149999, 4), "0.315");
        assert_eq!(seconds(39.04), "39.0");
    }

    #[test]
    fn what_is_not_ascii_becomes_a_reference() {
        assert_eq!(ascii("été & <b>"), "&#xE9;t&#xE9; &amp; &lt;b&gt;");
        assert_eq!(utf8("été \"x\""), "été &quot;x&quot;");
    }
}
