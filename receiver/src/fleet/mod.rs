//! The fleet: all nodes as one file says they should be, and what has to change for that.
//!
//! [`plan`] compares and decides, over values alone; the ledger makes the changes, all or none.

mod file;

use recording::protocol::NodeStanding;

pub(crate) use file::{Wanted, check_name, export, read};

/// What an administrator says of a node; what is not said stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spec {
    /// Whether it may send; a new node may.
    pub(crate) state: Option<NodeStanding>,
    /// A note; an empty one takes it away.
    pub(crate) comment: Option<String>,
    /// The tenant whose its recordings are; an empty one means nobody in particular.
    pub(crate) tenant: Option<String>,
}

impl Spec {
    fn is_empty(&self) -> bool {
        *self == Spec::default()
    }
}

/// What becomes of nodes that the file does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Mode {
    /// They stay as they are
    Keep,
    /// Those on which nothing waits are removed, the others cordoned
    Cordon,
    /// They are removed; and tokens that the file does not list are revoked
    Force,
}

/// A node as it is.
#[derive(Clone, Debug)]
pub(crate) struct Present {
    /// Its name.
    pub(crate) name: String,
    /// Whether it may send.
    pub(crate) state: NodeStanding,
    /// What was noted of it.
    pub(crate) comment: Option<String>,
    /// The tenant whose its recordings are.
    pub(crate) tenant: Option<String>,
    /// Names and hashes of its tokens.
    pub(crate) tokens: Vec<(String, String)>,
    /// Why it may still have something to send; `None` when nothing waits, as far as it has told.
    pub(crate) busy: Option<String>,
}

/// One thing to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// A node is added.
    Add { node: String, spec: Spec },
    /// Something about a node is changed.
    Update { node: String, spec: Spec },
    /// A node and its tokens are removed.
    Remove { node: String },
    /// A node gets a token, in the place of one of this name.
    AddToken {
        node: String,
        name: String,
        hash: String,
    },
    /// A token is taken away.
    RevokeToken { node: String, name: String },
}

impl Change {
    /// The change in words, for people.
    pub(crate) fn words(&self) -> String {
        match self {
            Change::Add { node, spec } => {
                let state = spec.state.unwrap_or_default();
                format!("add {node} ({})", state.as_str())
            }
            Change::Update { node, spec } => {
                let mut what = Vec::new();
                if let Some(state) = spec.state {
                    what.push(match state {
                        NodeStanding::Enabled => format!("enable {node}"),
                        NodeStanding::Cordoned => format!("cordon {node}"),
                        NodeStanding::Disabled => format!("disable {node}"),
                    });
                }
                if spec.comment.is_some() {
                    what.push(format!("change the comment of {node}"));
                }
                match spec.tenant.as_deref() {
                    None => {}
                    Some("") => what.push(format!("take {node} from its tenant")),
                    Some(tenant) => what.push(format!("give {node} to tenant {tenant}")),
                }
                what.join(", ")
            }
            Change::Remove { node } => format!("remove {node}"),
            Change::AddToken { node, name, .. } => format!("add token {name} of {node}"),
            Change::RevokeToken { node, name } => format!("revoke token {name} of {node}"),
        }
    }

    /// Which node it is about.
    pub(crate) fn node(&self) -> &str {
        match self {
            Change::Add { node, .. }
            | Change::Update { node, .. }
            | Change::Remove { node }
            | Change::AddToken { node, .. }
            | Change::RevokeToken { node, .. } => node,
        }
    }

    /// The change in one word, for programs.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Change::Add { .. } => "add",
            Change::Update { .. } => "update",
            Change::Remove { .. } => "remove",
            Change::AddToken { .. } => "add-token",
            Change::RevokeToken { .. } => "revoke-token",
        }
    }
}

/// What has to change so that the nodes are as the file says. Tokens are taken away before others
/// are given, and nodes removed before others are added, so that a token can move to another node.
pub(crate) fn plan(present: &[Present], wanted: &[Wanted], mode: Mode) -> Vec<Change> {
    let mut changes = Vec::new();
    for node in present {
        match wanted.iter().find(|wanted| wanted.name == node.name) {
            Some(wanted) => changes.extend(revoked(node, wanted, mode)),
            None => changes.extend(unwanted(node, mode)),
        }
    }
    for wanted in wanted {
        let node = present.iter().find(|node| node.name == wanted.name);
        changes.extend(one(node, wanted));
        for (name, hash) in wanted.tokens.iter().flatten() {
            let held = |(n, h): &(String, String)| (n, h) == (name, hash);
            if !node.is_some_and(|node| node.tokens.iter().any(held)) {
                changes.push(Change::AddToken {
                    node: wanted.name.clone(),
                    name: name.clone(),
                    hash: hash.clone(),
                });
            }
        }
    }
    changes
}

/// Only force takes away what a node may be using at this moment.
fn revoked(node: &Present, wanted: &Wanted, mode: Mode) -> Vec<Change> {
    let Some(tokens) = wanted.tokens.as_ref().filter(|_| mode == Mode::Force) else {
        return Vec::new();
    };
    let gone = |(name, _): &&(String, String)| !tokens.contains_key(name);
    let revoke = |(name, _): &(String, String)| Change::RevokeToken {
        node: node.name.clone(),
        name: name.clone(),
    };
    node.tokens.iter().filter(gone).map(revoke).collect()
}

fn unwanted(node: &Present, mode: Mode) -> Option<Change> {
    let remove = Change::Remove {
        node: node.name.clone(),
    };
    match mode {
        Mode::Keep => None,
        Mode::Force => Some(remove),
        Mode::Cordon if node.busy.is_none() => Some(remove),
        Mode::Cordon if node.state == NodeStanding::Enabled => Some(Change::Update {
            node: node.name.clone(),
            spec: Spec {
                state: Some(NodeStanding::Cordoned),
                ..Spec::default()
            },
        }),
        Mode::Cordon => None,
    }
}

fn one(node: Option<&Present>, wanted: &Wanted) -> Option<Change> {
    let name = wanted.name.clone();
    let Some(node) = node else {
        let spec = Spec {
            state: Some(wanted.state_from(NodeStanding::Enabled)),
            comment: wanted.comment.clone(),
            tenant: wanted.tenant.clone(),
        };
        return Some(Change::Add { node: name, spec });
    };
    let state = wanted.state_from(node.state);
    let differs = |wanted: &Option<String>, is: &Option<String>| {
        let is = is.as_deref().unwrap_or_default();
        wanted.clone().filter(|wanted| wanted != is)
    };
    let spec = Spec {
        state: Some(state).filter(|state| *state != node.state),
        comment: differs(&wanted.comment, &node.comment),
        tenant: differs(&wanted.tenant, &node.tenant),
    };
    (!spec.is_empty()).then_some(Change::Update { node: name, spec })
}

#[cfg(test)]
mod tests;
