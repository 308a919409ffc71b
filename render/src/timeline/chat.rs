//! What was written in the public chat, with what the players show among it: results of polls,
//! and videos that were played.

use std::collections::HashMap;
use std::io::{BufReader, Read as _};

use serde::Deserialize;

use super::seconds;
use super::xml::{Node, walk};
use crate::markup;
use crate::source::Source;
use crate::time::Millis;
use crate::warning::Warnings;

const CHAT: &str = "slides_new.xml";
const POLLS: &str = "polls.json";
const VIDEOS: &str = "external_videos.json";
/// More messages than these are no lecture's.
const MOST: usize = 100_000;
const LONGEST_TEXT: usize = 2000;
const LONGEST_NAME: usize = 80;
const LARGEST: u64 = 16 << 20;
/// A name shorter than this may be part of any word.
const SHORTEST_NAME: usize = 3;

/// One entry of the chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// From this instant on it is there.
    pub at: Millis,
    /// When the chat was cleared, and this with it.
    pub until: Option<Millis>,
    /// Who wrote it; empty for what nobody wrote.
    pub name: String,
    /// Plain text; line breaks are `\n`.
    pub text: String,
}

/// The chat of a recording, in the order of its times.
#[must_use]
pub fn read(source: &Source, duration: Option<Millis>, warnings: &Warnings) -> Vec<Message> {
    let mut messages = written(source, warnings);
    messages.extend(polls(source, warnings));
    messages.extend(videos(source, warnings));
    messages.retain(|message| duration.is_none_or(|duration| message.at < duration));
    messages.sort_by_key(|message| message.at);
    messages
}

fn written(source: &Source, warnings: &Warnings) -> Vec<Message> {
    let Ok(file) = source.open_file(CHAT) else {
        return Vec::new();
    };
    let mut messages = Vec::new();
    let told = walk(BufReader::new(file), |node| {
        let Node::Open { tag, .. } = node else { return };
        if tag.name() != "chattimeline" || messages.len() >= MOST {
            return;
        }
        let (Some(at), Some(message)) = (
            tag.get("in").as_deref().and_then(seconds),
            tag.get("message"),
        ) else {
            warnings.add(
                "chat message skipped",
                Some(CHAT.as_ref()),
                "it has no time or no text",
            );
            return;
        };
        let text = markup::text(&message, markup::Kind::Html);
        let name = tag.get("name").unwrap_or_default();
        messages.push(Message {
            at,
            until: tag.get("out").as_deref().and_then(seconds),
            name: shortened(&name, LONGEST_NAME),
            text: shortened(&text, LONGEST_TEXT),
        });
    });
    if let Err(why) = told {
        warnings.add("rest of the chat skipped", Some(CHAT.as_ref()), why);
    }
    messages
}

#[derive(Deserialize)]
struct Poll {
    timestamp: f64,
    #[serde(default)]
    question: Option<String>,
    #[serde(default)]
    answers: Vec<Answer>,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    key: String,
    #[serde(default, rename = "numVotes")]
    votes: u64,
}

fn polls(source: &Source, warnings: &Warnings) -> Vec<Message> {
    let told = |poll: Poll| {
        let total: u64 = poll.answers.iter().map(|answer| answer.votes).sum();
        let question = poll.question.unwrap_or_default();
        let mut lines = vec![format!("📊 {}", question.trim())];
        lines.extend(poll.answers.iter().map(|Answer { key, votes }| {
            let percent = (votes * 100 + total / 2).checked_div(total).unwrap_or(0);
            format!("{key}: {votes} ({percent} %)")
        }));
        (poll.timestamp, lines.join("\n"))
    };
    entries(source, POLLS, warnings, told)
}

#[derive(Deserialize)]
struct Video {
    timestamp: f64,
    #[serde(default, rename = "external_video_url")]
    url: String,
}

fn videos(source: &Source, warnings: &Warnings) -> Vec<Message> {
    let told = |video: Video| (video.timestamp, format!("▶ {}", video.url));
    entries(source, VIDEOS, warnings, told)
}

/// The entries of one of the lists in JSON, as nobody's messages.
fn entries<T: for<'de> Deserialize<'de>>(
    source: &Source,
    name: &str,
    warnings: &Warnings,
    told: impl Fn(T) -> (f64, String),
) -> Vec<Message> {
    let Ok(file) = source.open_file(name) else {
        return Vec::new();
    };
    let list: Vec<T> = match serde_json::from_reader(file.take(LARGEST)) {
        Ok(list) => list,
        Err(error) => {
            warnings.add("list not used", Some(name.as_ref()), error.to_string());
            return Vec::new();
        }
    };
    let message = |entry| {
        let (at, text) = told(entry);
        Some(Message {
            at: Millis::from_seconds(at)?,
            until: None,
            name: String::new(),
            text: shortened(&markup::text(&text, markup::Kind::Html), LONGEST_TEXT),
        })
    };
    list.into_iter().take(MOST).filter_map(message).collect()
}

fn shortened(text: &str, most: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// Calls everybody "Viewer 1", "Viewer 2" … in the order in which they first wrote, as BBB's own
/// anonymous chats do, also where others write of them.
pub fn anonymise(messages: &mut [Message]) {
    let mut numbers: HashMap<String, usize> = HashMap::new();
    for message in messages.iter().filter(|message| !message.name.is_empty()) {
        let next = numbers.len() + 1;
        numbers.entry(message.name.clone()).or_insert(next);
    }
    // Longer names first, as they may hold others.
    let mut names: Vec<(&str, usize)> = numbers.iter().map(|(name, n)| (&**name, *n)).collect();
    names.sort_by_key(|&(name, n)| (std::cmp::Reverse(name.len()), n));
    names.retain(|(name, _)| name.chars().count() >= SHORTEST_NAME);
    for message in messages {
        for (name, number) in &names {
            message.text = without(&message.text, name, *number);
        }
        if let Some(number) = numbers.get(&message.name) {
            message.name = viewer(*number);
        }
    }
}

fn viewer(number: usize) -> String {
    format!("Viewer {number}")
}

/// The text with a name replaced wherever it stands as a word.
fn without(text: &str, name: &str, number: usize) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(name) {
        let (before, after) = (&rest[..at], &rest[at + name.len()..]);
        let joined = before.chars().last().is_some_and(char::is_alphanumeric)
            || after.chars().next().is_some_and(char::is_alphanumeric);
        clean.push_str(before);
        if joined {
            clean.push_str(name);
        } else {
            clean.push_str(&viewer(number));
        }
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(files: &[(&str, &str)]) -> (Vec<Message>, usize) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let source = Source::open(dir.path()).unwrap();
        let warnings = Warnings::default();
        let messages = read(&source, Some(Millis(100_000)), &warnings);
        (messages, warnings.list().len())
    }

    fn message(at: u64, name: &str, text: &str) -> Message {
        Message {
            at: Millis(at),
            until: None,
            name: name.into(),
            text: text.into(),
        }
    }

    #[test]
    fn messages_polls_and_videos_come_in_their_order() {
        let (messages, warnings) = chat(&[
            (
                CHAT,
                r#"<?xml version="1.0"?><popcorn>
                <chattimeline in="4" out="65.0" direction="down" name="Zo&#xEB;" target="chat"
                  message="&lt;b&gt;no&lt;/b&gt; &amp;lt; &lt;a href=&quot;x&quot;&gt;y&lt;/a&gt;"/>
                <chattimeline in="200" name="late" message="after the end" target="chat"/>
                <chattimeline name="no time" message="x"/>
                <chattimeline in="61.5" name="Bob" message="hi" target="chat"/></popcorn>"#,
            ),
            (
                POLLS,
                r#"[{"timestamp": 30, "type": "YN", "question": "Clear?", "answers":
                [{"id": 0, "key": "Yes", "numVotes": 2}, {"id": 1, "key": "No", "numVotes": 1}]}]"#,
            ),
            (
                VIDEOS,
                r#"[{"timestamp": 40, "external_video_url": "https://v.example/1"}]"#,
            ),
        ]);
        let cleared = Message {
            until: Some(Millis(65_000)),
            ..message(4_000, "Zoë", "no < y")
        };
        assert_eq!(
            messages,
            [
                cleared,
                message(30_000, "", "📊 Clear?\nYes: 2 (67 %)\nNo: 1 (33 %)"),
                message(40_000, "", "▶ https://v.example/1"),
                message(61_500, "Bob", "hi"),
            ]
        );
        assert_eq!(warnings, 1);
    }

    #[test]
    fn what_is_damaged_costs_a_warning() {
        let (messages, warnings) = chat(&[
            (
                CHAT,
                "<popcorn><chattimeline in=\"1\" name=\"a\" message=\"b\"/><chat",
            ),
            (POLLS, "[{\"timestamp\": \"x\"}]"),
        ]);
        assert_eq!(messages, [message(1_000, "a", "b")]);
        assert_eq!(warnings, 2);
        assert_eq!(chat(&[]), (Vec::new(), 0));
    }

    #[test]
    fn nobody_is_named_when_that_is_asked() {
        let mut messages = [
            message(0, "Ann Lee", "I am Ann Lee."),
            message(1, "Bo", "Bo? Thanks Ann Lee! Annex, Ann Leex"),
            message(2, "", "📊 Ann Lee"),
            message(3, "Ann Lee", ""),
        ];
        anonymise(&mut messages);
        let told: Vec<(&str, &str)> = messages.iter().map(|m| (&*m.name, &*m.text)).collect();
        assert_eq!(
            told,
            [
                ("Viewer 1", "I am Viewer 1."),
                ("Viewer 2", "Bo? Thanks Viewer 1! Annex, Ann Leex"),
                ("", "📊 Viewer 1"),
                ("Viewer 1", ""),
            ]
        );
    }
}
