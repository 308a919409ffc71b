//! HTML that may be shown to anybody: text made harmless, and what strangers wrote reduced to its
//! plain formatting.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use ammonia::Builder;

/// What remains of a stranger's HTML.
const TAGS: [&str; 24] = [
    "a",
    "b",
    "blockquote",
    "br",
    "code",
    "del",
    "div",
    "em",
    "h1",
    "h2",
    "h3",
    "h4",
    "i",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "span",
    "strong",
    "sub",
    "sup",
    "u",
    "ul",
];

const STYLE: &str = "body{font:16px/1.5 sans-serif;max-width:50em;margin:2em auto;padding:0 1em;\
                     color:#222;background:#fff}time{color:#666;font-variant-numeric:tabular-nums}\
                     .n{font-weight:bold}p{margin:.4em 0;overflow-wrap:anywhere}";

/// Text that means itself, in content and in quoted attributes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#x27;"),
            c => safe.push(c),
        }
    }
    safe
}

/// A stranger's HTML without scripts, styles, pictures, forms and whatever else is not plain
/// formatting; links lead to the web or to an address for mail.
pub(crate) fn sanitised(html: &str) -> String {
    Builder::empty()
        .tags(HashSet::from(TAGS))
        .tag_attributes(HashMap::from([("a", HashSet::from(["href"]))]))
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .link_rel(Some("noopener noreferrer nofollow"))
        .clean_content_tags(HashSet::from(["script", "style", "title", "template"]))
        .clean(html)
        .to_string()
}

/// Whether nothing of some HTML can be read.
pub(crate) fn is_blank(html: &str) -> bool {
    let text = Builder::empty().clean(html).to_string();
    text.replace("&nbsp;", " ").trim().is_empty()
}

/// A whole page around a body; it loads and runs nothing, whatever stands in it.
pub(crate) fn page(title: &str, language: &str, body: &str) -> String {
    let title = escaped(title);
    let mut page = String::with_capacity(body.len() + 1000);
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{body}\n</body>\n</html>\n",
        escaped(language)
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_formatting_stays_and_everything_else_goes() {
        for (given, kept) in [
            ("<b>x</b> &amp; <u>y</u>", "<b>x</b> &amp; <u>y</u>"),
            ("<script>alert(1)</script>x", "x"),
            ("<style>*{}</style><title>t</title>x", "x"),
            ("<img src=x onerror=alert(1)>x", "x"),
            (
                "<b onclick=alert(1) style='position:fixed'>x</b>",
                "<b>x</b>",
            ),
            ("<iframe src='https://x.example'></iframe>x", "x"),
            ("<form><input name=p></form>x", "x"),
            ("<p>unclosed", "<p>unclosed</p>"),
            (
                "<a href='javascript:alert(1)'>x</a>",
                "<a rel=\"noopener noreferrer nofollow\">x</a>",
            ),
            (
                "<a href='https://x.example/?a=1&amp;b' target=_blank>x</a>",
                "<a href=\"https://x.example/?a=1&amp;b\" rel=\"noopener noreferrer nofollow\">x</a>",
            ),
            ("<svg><animate onbegin=alert(1)></svg>x", "x"),
            ("</body></html><!-- x -->y", "y"),
        ] {
            assert_eq!(sanitised(given), kept, "{given}");
        }
    }

    #[test]
    fn blank_is_what_shows_nothing() {
        assert!(is_blank("<br><p>&nbsp;</p>\n") && is_blank(""));
        assert!(!is_blank("<p>x</p>"));
    }

    #[test]
    fn titles_cannot_leave_their_place() {
        let page = page("</title><script>x</script>", "fr", "<p>y</p>");
        assert!(
            !page.contains("<script>") && page.contains("<p>y</p>"),
            "{page}"
        );
    }
}
