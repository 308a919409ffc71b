//! The file of all nodes: what `node sync` reads and `node export` writes.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use recording::Digest;
use recording::protocol::NodeStanding;
use recording::settings::{self, SettingsError};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::Present;

/// How the hash of a token begins in the file.
const SHA256: &str = "sha256:";

/// A node as the file says it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its name.
    pub(crate) name: String,
    /// What it is to be like.
    standing: Standing,
    /// A note; stays as it is when not given.
    pub(crate) comment: Option<String>,
    /// The tenant whose its recordings are; stays as it is when not given.
    pub(crate) tenant: Option<String>,
    /// Hashes of its tokens by name; they stay as they are when not given.
    pub(crate) tokens: Option<BTreeMap<String, String>>,
}

/// What a node is to be like: one of the three states, or, as Scalelite has it, in use or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Is(NodeStanding),
    InUse(bool),
}

impl Wanted {
    /// The state it is to have, when this is the one it has. A node that is not to be in use is
    /// cordoned, unless it is disabled already.
    pub(super) fn state_from(&self, now: NodeStanding) -> NodeStanding {
        match (self.standing, now) {
            (Standing::Is(state), _) => state,
            (Standing::InUse(true), _) => NodeStanding::Enabled,
            (Standing::InUse(false), NodeStanding::Disabled) => NodeStanding::Disabled,
            (Standing::InUse(false), _) => NodeStanding::Cordoned,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    nodes: Unique<Option<Node>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Node {
    state: Option<NodeStanding>,
    enabled: Option<bool>,
    comment: Option<String>,
    tenant: Option<String>,
    tokens: Option<Unique<TokenHash>>,
}

/// The hash of a token, in hexadecimal.
struct TokenHash(String);

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TokenHash, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digest = text.strip_prefix(SHA256).map(str::parse::<Digest>);
        match digest {
            Some(Ok(digest)) => Ok(TokenHash(digest.to_string())),
            // The text may be a token, so it is not repeated.
            _ => Err(D::Error::custom(
                "is not the hash of a token; write sha256: and 64 hexadecimal digits, as `node export` does, or leave tokens out and give the node one with `node enroll`",
            )),
        }
    }
}

/// A map in which no name stands twice: the second would silently count.
struct Unique<T>(BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Unique<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique<T>, D::Error> {
        struct Names<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Names<T> {
            type Value = Unique<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names, each with what belongs to it")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Unique<T>, A::Error> {
                let mut found = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, T>()? {
                    match found.entry(name) {
                        Entry::Vacant(free) => free.insert(value),
                        Entry::Occupied(taken) => {
                            let name = taken.key();
                            return Err(A::Error::custom(format!("{name} stands there twice")));
                        }
                    };
                }
                Ok(Unique(found))
            }
        }
        deserializer.deserialize_map(Names(PhantomData))
    }
}

/// Reads the file; `text` is what it holds.
///
/// # Errors
/// It is not such a file; the message names key and cause.
pub(crate) fn read(path: &Path, text: &str) -> Result<Vec<Wanted>, SettingsError> {
    let file: File = settings::from_text(path, text)?;
    let mut nodes = Vec::new();
    for (name, node) in file.nodes.0 {
        let wrong = |why: String| SettingsError::key(path, &format!("nodes.{name}"), why);
        check_name(&name).map_err(wrong)?;
        let node = node.unwrap_or_default();
        let standing = match (node.state, node.enabled) {
            (Some(_), Some(_)) => {
                return Err(wrong("give either state or enabled".to_owned()));
            }
            (Some(state), None) => Standing::Is(state),
            (None, in_use) => Standing::InUse(in_use.unwrap_or(true)),
        };
        let tokens = node.tokens.map(|tokens| tokens.0);
        for token in tokens.iter().flat_map(BTreeMap::keys) {
            check_name(token)
                .map_err(|why| SettingsError::key(path, &format!("nodes.{name}.tokens"), why))?;
        }
        let hashes =
            |tokens: BTreeMap<String, TokenHash>| tokens.into_iter().map(|(n, h)| (n, h.0));
        nodes.push(Wanted {
            name,
            standing,
            comment: node.comment,
            tenant: node.tenant,
            tokens: tokens.map(|tokens| hashes(tokens).collect()),
        });
    }
    Ok(nodes)
}

/// What names of nodes and of tokens are made of.
///
/// # Errors
/// This is no such name; says why.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    match name.len() {
        1..=200 if name.chars().all(allowed) => Ok(()),
        _ => Err(format!(
            "\"{}\" is no such name: use letters, digits, and . _ -",
            name.escape_debug()
        )),
    }
}

/// The file for nodes as they are. It holds no secret: a token cannot be had from its hash.
pub(crate) fn export(nodes: &[Present]) -> String {
    let mut text = "# bbb2pod-receiver node sync FILE\nnodes:\n".to_owned();
    if nodes.is_empty() {
        text = text.replace("nodes:\n", "nodes: {}\n");
    }
    for node in nodes {
        text += &format!(
            "  {}:\n    state: {}\n",
            quoted(&node.name),
            node.state.as_str()
        );
        if let Some(comment) = &node.comment {
            text += &format!("    comment: {}\n", quoted(comment));
        }
        if let Some(tenant) = &node.tenant {
            text += &format!("    tenant: {}\n", quoted(tenant));
        }
        text += if node.tokens.is_empty() {
            "    tokens: {}\n"
        } else {
            "    tokens:\n"
        };
        for (name, hash) in &node.tokens {
            text += &format!("      {}: \"{SHA256}{hash}\"\n", quoted(name));
        }
    }
    text
}

/// A text as YAML reads it back, whatever it looks like; JSON's way of writing is also YAML's.
fn quoted(text: &str) -> String {
    json!(text).to_string()
}
