//! `check`: tries everything that the node needs, and says what to change.

mod folders;
mod network;
mod node;

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::bbb::Node;
use crate::error::Error;
use crate::settings::Settings;

pub(crate) use folders::try_folders;
pub(crate) use network::try_rsync;

/// One thing that was looked at.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Finding {
    level: Level,
    what: String,
    /// What to do about it: a command where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// How good it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    fn ok(what: impl Into<String>) -> Finding {
        Finding {
            level: Level::Ok,
            what: what.into(),
            mend: None,
        }
    }

    fn warn(what: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding {
            level: Level::Warn,
            what: what.into(),
            mend: Some(mend.into()),
        }
    }

    fn fail(what: impl Into<String>, mend: impl Into<String>) -> Finding {
        Finding {
            level: Level::Fail,
            what: what.into(),
            mend: Some(mend.into()),
        }
    }
}

/// Everything that was found.
///
/// # Errors
/// The settings cannot be used at all.
pub(crate) fn check(settings: &Settings) -> Result<Vec<Finding>, Error> {
    let node = Node::here(settings)?;
    let mut findings = vec![Finding::ok(format!("settings {}", settings.path.display()))];
    findings.extend(node::look(settings, &node));
    findings.extend(folders::look(settings, &node));
    findings.extend(network::look(settings, &node));
    Ok(findings)
}

/// 1 when anything failed.
pub(crate) fn exit_code(findings: &[Finding]) -> u8 {
    u8::from(findings.iter().any(|f| f.level == Level::Fail))
}

/// # Errors
/// The output was closed.
pub(crate) fn write_json(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, findings)?;
    writeln!(out)
}

/// # Errors
/// The output was closed.
pub(crate) fn write_text(findings: &[Finding], out: &mut impl Write) -> io::Result<()> {
    for finding in findings {
        let word = match finding.level {
            Level::Ok => "OK  ",
            Level::Warn => "WARN",
            Level::Fail => "FAIL",
        };
        writeln!(out, "{word} {}", finding.what)?;
        if let Some(mend) = &finding.mend {
            writeln!(out, "     → {mend}")?;
        }
    }
    Ok(())
}
