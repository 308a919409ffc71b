//! Text out of the two kinds of markup that a recording holds: HTML in chat messages, and the tags
//! of WebVTT. Nothing of either is ever interpreted but line breaks.

/// Which tags there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `<a href="…">`, `</b>`, `<!-- … -->`; a lone `<`, or `<3`, means itself.
    Html,
    /// Times (`<00:01.000>`) as well.
    Vtt,
}

/// The text without tags, entities decoded once, hard breaks as `\n`.
pub(crate) fn text(markup: &str, kind: Kind) -> String {
    let mut text = String::with_capacity(markup.len());
    let mut rest = markup;
    while let Some(at) = rest.find(['<', '&']) {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let step = if rest.starts_with('<') {
            tag(rest, kind).map(|tag| {
                if breaks(tag) {
                    text.push('\n');
                }
                tag.len()
            })
        } else {
            entity(rest).map(|(character, length)| {
                text.push(character);
                length
            })
        };
        let step = step.unwrap_or_else(|| {
            text.push_str(&rest[..1]);
            1
        });
        rest = &rest[step..];
    }
    text.push_str(rest);
    text.retain(|c| c == '\n' || !c.is_control());
    text
}

/// The tag that the text begins with.
fn tag(text: &str, kind: Kind) -> Option<&str> {
    let first = text[1..].chars().next()?;
    let opens = first.is_ascii_alphabetic()
        || matches!(first, '/' | '!')
        || (kind == Kind::Vtt && first.is_ascii_digit());
    let end = text.find('>').filter(|_| opens)?;
    Some(&text[..=end])
}

fn breaks(tag: &str) -> bool {
    let name: String = tag
        .chars()
        .skip(1)
        .skip_while(|&c| c == '/')
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    let closes = tag.starts_with("</");
    name.eq_ignore_ascii_case("br")
        || (closes && ["p", "div", "li"].contains(&name.to_ascii_lowercase().as_str()))
}

/// The character that an entity at the beginning of the text stands for, and the entity's length.
fn entity(text: &str) -> Option<(char, usize)> {
    const LONGEST: usize = 10;
    let end = text.bytes().take(LONGEST).position(|byte| byte == b';')?;
    let name = &text[1..end];
    let number = |digits: &str, base| {
        u32::from_str_radix(digits, base)
            .ok()
            .and_then(char::from_u32)
    };
    let character = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "lrm" => '\u{200e}',
        "rlm" => '\u{200f}',
        _ => {
            let digits = name.strip_prefix('#')?;
            match digits.strip_prefix(['x', 'X']) {
                Some(hexadecimal) => number(hexadecimal, 16)?,
                None => number(digits, 10)?,
            }
        }
    };
    Some((character, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_text() {
        for (html, wanted) in [
            ("<b>not</b> &amp; 5 &lt; 6", "not & 5 < 6"),
            ("&lt;b&gt;kept&lt;/b&gt;", "<b>kept</b>"),
            ("&amp;amp; once", "&amp; once"),
            (
                "see <a href=\"http://x/?a=1&amp;b\" rel=\"nofollow\"><u>http://x/?a=1&amp;b</u></a>!",
                "see http://x/?a=1&b!",
            ),
            ("a<br/>b<BR>c<p>d</p>e", "a\nb\ncd\ne"),
            (
                "I <3 you & 2 < 3; ok &copy; &#233;&#x1F389;",
                "I <3 you & 2 < 3; ok &copy; é🎉",
            ),
            ("open <b", "open <b"),
            ("bell\u{7}&#0;", "bell"),
        ] {
            assert_eq!(text(html, Kind::Html), wanted);
        }
    }

    #[test]
    fn captions_lose_voices_and_times() {
        assert_eq!(
            text("<v Ann>Hi <00:01.000><c.loud>all</c>", Kind::Vtt),
            "Hi all"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(markup in "[<>&;#xa-c/0-9é🎉 \n]{0,60}") {
            for kind in [Kind::Html, Kind::Vtt] {
                prop_assert!(text(&markup, kind).len() <= markup.len() + 4);
            }
        }
    }
}
