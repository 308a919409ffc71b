//! The public chat as a page, with the results of polls among it.

use std::fmt::Write as _;

use render::timeline::Message;

use crate::html::escaped;

/// One paragraph per message; `None` when nobody wrote anything.
pub(super) fn body(messages: &[Message]) -> Option<String> {
    let mut body = String::new();
    for message in messages.iter().filter(|m| !m.text.trim().is_empty()) {
        let seconds = message.at.0 / 1000;
        // Writing to a string cannot fail.
        let _ = write!(
            body,
            "<p><time>{}:{:02}:{:02}</time> ",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
        let name = message.name.trim();
        if !name.is_empty() {
            let _ = write!(body, "<span class=\"n\">{}</span> ", escaped(name));
        }
        for (n, line) in message.text.trim().lines().enumerate() {
            let _ = write!(body, "{}{}", if n > 0 { "<br>" } else { "" }, linked(line));
        }
        body.push_str("</p>\n");
    }
    (!body.is_empty()).then_some(body)
}

/// A line of text in which addresses are links.
fn linked(line: &str) -> String {
    let mut html = String::with_capacity(line.len());
    for (n, word) in line.split(' ').enumerate() {
        if n > 0 {
            html.push(' ');
        }
        let word = escaped(word);
        if word.starts_with("https://") || word.starts_with("http://") {
            let _ = write!(
                html,
                "<a href=\"{word}\" rel=\"noopener noreferrer nofollow\">{word}</a>"
            );
        } else {
            html.push_str(&word);
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use render::time::Millis;

    use super::*;

    fn message(at: u64, name: &str, text: &str) -> Message {
        Message {
            at: Millis(at),
            until: None,
            name: name.into(),
            text: text.into(),
        }
    }

    #[test]
    fn messages_are_paragraphs_and_harmless() {
        let messages = [
            message(1_000, "Zoé <b>", "a < b\n<script>alert(1)</script>"),
            message(3_725_400, "", "see https://x.example/?a=\"1\"&b now"),
            message(4_000_000, "M", "  "),
        ];
        assert_eq!(
            body(&messages).unwrap(),
            "<p><time>0:00:01</time> <span class=\"n\">Zoé &lt;b&gt;</span> a &lt; b<br>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n\
             <p><time>1:02:05</time> see <a href=\"https://x.example/?a=&quot;1&quot;&amp;b\" rel=\"noopener noreferrer nofollow\">https://x.example/?a=&quot;1&quot;&amp;b</a> now</p>\n"
        );
        assert_eq!(body(&messages[2..]), None);
    }
}
