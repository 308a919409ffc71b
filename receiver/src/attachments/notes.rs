//! The shared notes: `notes.html`, a whole page of which only the body counts.

use crate::html::{is_blank, sanitised};

/// What was written, in plain formatting; `None` when nobody wrote anything.
pub(super) fn body(page: &str) -> Option<String> {
    let lower = page.to_ascii_lowercase();
    let from = lower
        .find("<body")
        .and_then(|at| Some(at + lower[at..].find('>')? + 1))
        .unwrap_or(0);
    let to = lower.rfind("</body").filter(|to| *to >= from);
    let written = &page[from..to.unwrap_or(page.len())];
    let body = sanitised(written);
    (!is_blank(&body)).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_body_counts() {
        for (page, kept) in [
            (
                "<!doctype html><html><head><title>n</title></head><BODY class=\"x\">\n<strong>é</strong><br>• a<br></BODY></html>",
                Some("\n<strong>é</strong><br>• a<br>"),
            ),
            ("<p>no body</p>", Some("<p>no body</p>")),
            ("<html><body><br></body></html>", None),
            ("<body><script>x()</script></body>", None),
            ("</body><body>x", Some("x")),
            ("", None),
        ] {
            assert_eq!(body(page).as_deref(), kept, "{page}");
        }
    }
}
