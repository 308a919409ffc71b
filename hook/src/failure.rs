//! Why an attempt failed, in the few kinds that call for different behaviour.

use serde::{Deserialize, Serialize};

/// The kind of a failure: decides when to try again and what `status` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Cause {
    /// Nobody answers at the receiver's address.
    ReceiverDown,
    /// The receiver's name is not known.
    Dns,
    /// No trust could be established.
    Tls,
    /// Nothing moved for too long.
    Timeout,
    /// The connection broke.
    Connection,
    /// 401 or 403.
    TokenRefused,
    /// The receiver's administrator has cordoned the node: nothing new is taken.
    NodeCordoned,
    /// The receiver's administrator has disabled the node: nothing is taken.
    NodeDisabled,
    /// 413: larger than the receiver takes.
    TooLarge,
    /// The spool is not there: a share that is not mounted, a path that is refused.
    SpoolMissing,
    /// The spool may not be written: owner, group or mode.
    SpoolRefused,
    /// The spool is locked by another sender for the moment.
    SpoolBusy,
    /// 507: the receiver's disk is full.
    ReceiverFull,
    /// Any other answer that says the receiver cannot now.
    ReceiverError,
    /// An answer that makes no sense; most likely the address is not a receiver's.
    Protocol,
    /// The receiver found the package not to be what its manifest says.
    Rejected,
    /// The files changed while they were read.
    FilesChanged,
    /// The files, or the outbox itself, cannot be read or written.
    Disk,
    /// What lies between, a proxy or a web server, does not let the node through.
    ProxyRefused,
    /// The settings do not allow an attempt.
    Settings,
}

impl Cause {
    /// Whether it lies at the receiver or the way to it, so that it concerns every job alike.
    pub(crate) fn concerns_all(self) -> bool {
        matches!(
            self,
            Cause::ReceiverDown
                | Cause::Dns
                | Cause::Tls
                | Cause::Timeout
                | Cause::Connection
                | Cause::TokenRefused
                | Cause::NodeCordoned
                | Cause::NodeDisabled
                | Cause::ProxyRefused
                | Cause::SpoolMissing
                | Cause::SpoolRefused
                | Cause::ReceiverFull
                | Cause::ReceiverError
                | Cause::Settings
        )
    }

    /// Whether not even a connection came about.
    pub(crate) fn nothing_reached(self) -> bool {
        matches!(
            self,
            Cause::ReceiverDown
                | Cause::Dns
                | Cause::Tls
                | Cause::ProxyRefused
                | Cause::SpoolMissing
        )
    }

    /// Whether only an administrator can mend it, so that trying often is of no use.
    pub(crate) fn needs_a_person(self) -> bool {
        matches!(
            self,
            Cause::TokenRefused
                | Cause::ProxyRefused
                | Cause::TooLarge
                | Cause::SpoolRefused
                | Cause::Protocol
                | Cause::Settings
        )
    }

    /// Whether it is not trouble but a decision, after which things go on by themselves.
    pub(crate) fn is_decided(self) -> bool {
        matches!(self, Cause::NodeCordoned | Cause::NodeDisabled)
    }

    /// Whether it passes by itself in a moment.
    pub(crate) fn is_brief(self) -> bool {
        self == Cause::SpoolBusy
    }

    /// The kind in words, for `status`.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Cause::ReceiverDown => "receiver down",
            Cause::Dns => "receiver's name unknown",
            Cause::Tls => "TLS failed",
            Cause::Timeout => "timed out",
            Cause::Connection => "connection broke",
            Cause::TokenRefused => "token refused",
            Cause::NodeCordoned => "node cordoned at the receiver",
            Cause::NodeDisabled => "node disabled at the receiver",
            Cause::TooLarge => "too large for the receiver",
            Cause::SpoolMissing => "spool not there",
            Cause::SpoolRefused => "spool refuses",
            Cause::SpoolBusy => "spool busy",
            Cause::ReceiverFull => "receiver's disk full",
            Cause::ReceiverError => "receiver cannot now",
            Cause::Protocol => "not a receiver's answer",
            Cause::Rejected => "rejected",
            Cause::FilesChanged => "files changed",
            Cause::Disk => "disk",
            Cause::ProxyRefused => "proxy refuses",
            Cause::Settings => "settings",
        }
    }
}

/// A failed attempt.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    /// What happened, where, and what to do.
    pub(crate) message: String,
    /// What mends it, for `check`: a command where there is one.
    pub(crate) mend: Option<String>,
}

impl Failure {
    pub(crate) fn new(cause: Cause, message: impl Into<String>) -> Failure {
        Failure {
            cause,
            message: message.into(),
            mend: None,
        }
    }

    pub(crate) fn mended_by(mut self, mend: impl Into<String>) -> Failure {
        self.mend = Some(mend.into());
        self
    }

    pub(crate) fn disk(message: impl Into<String>) -> Failure {
        Failure::new(Cause::Disk, message)
    }
}
