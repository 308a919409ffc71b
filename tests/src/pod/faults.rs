//! Failures that a test orders: the next requests to a path fail in a given way, or the site is
//! away for a while.

use std::time::Duration;

/// How an ordered failure looks to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A 500 page; nothing was done.
    ErrorBefore,
    /// A 500 page; the request was carried out all the same.
    ErrorAfter,
    /// The connection closes without an answer once the body was read; nothing was done.
    DropBefore,
    /// The connection closes without an answer; the request was carried out.
    DropAfter,
    /// No answer ever comes; nothing was done.
    HangBefore,
    /// No answer ever comes; the request was carried out.
    HangAfter,
    /// The answer of a proxy in front of Pod, such as 502 or 503; nothing was done.
    Status(u16),
    /// The right answer, late.
    Slow(Duration),
}

/// An ordered failure of the next requests that fit.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The method, or any.
    pub method: Option<String>,
    /// The path without its query; a `*` at the end stands for any continuation.
    pub path: String,
    /// How many fitting requests pass unharmed first.
    pub after: u32,
    /// How many requests fail then.
    pub times: u32,
    /// What happens to them.
    pub kind: FaultKind,
}

impl Fault {
    /// The next request with this method and path fails in this way.
    pub fn once(method: &str, path: &str, kind: FaultKind) -> Fault {
        Fault {
            method: Some(method.to_owned()),
            path: path.to_owned(),
            after: 0,
            times: 1,
            kind,
        }
    }

    fn fits(&self, method: &str, path: &str) -> bool {
        let same_path = match self.path.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => self.path == path,
        };
        same_path && self.method.as_deref().is_none_or(|wanted| wanted == method)
    }
}

/// A failure of the whole site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outage {
    /// All is well.
    #[default]
    None,
    /// Every request is a 500: the site runs, its database does not answer.
    Database,
    /// Every connection is closed without an answer.
    Network,
}

/// Takes the failure that this request shall suffer, if any.
pub(crate) fn take(faults: &mut Vec<Fault>, method: &str, path: &str) -> Option<FaultKind> {
    let at = faults.iter().position(|fault| fault.fits(method, path))?;
    let fault = &mut faults[at];
    if fault.after > 0 {
        fault.after -= 1;
        return None;
    }
    let kind = fault.kind.clone();
    fault.times = fault.times.saturating_sub(1);
    if fault.times == 0 {
        faults.remove(at);
    }
    Some(kind)
}
