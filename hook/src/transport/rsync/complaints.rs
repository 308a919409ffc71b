//! What rsync, rrsync and ssh mean, told to people.

use super::destination::host;
use crate::failure::{Cause, Failure};

/// Lines of a complaint that are kept.
const LINES: usize = 3;
/// What begins lines that rsync adds to everything, and that explain nothing.
const EMPTY_WORDS: [&str; 4] = [
    "rsync error: ",
    "rsync: connection unexpectedly closed",
    "rsync: [sender] read error: Connection reset by peer",
    "@@@@",
];

/// What somebody says, what it means, what to do, and the command for it.
struct Meaning {
    said: &'static [&'static str],
    cause: Cause,
    advice: &'static str,
    mend: &'static str,
}

/// The first that fits counts. `HOST` stands for the destination's host.
const MEANINGS: [Meaning; 17] = [
    Meaning {
        said: &["Another instance of rrsync"],
        cause: Cause::SpoolBusy,
        advice: "rrsync lets one in at a time and another is at work; it goes on in a moment, and \
                 with -no-lock in authorized_keys at once",
        mend: "command=\"/usr/bin/rrsync -wo -no-lock SPOOL\",restrict in authorized_keys, there",
    },
    Meaning {
        said: &[
            "REMOTE HOST IDENTIFICATION",
            "has changed and you have requested",
        ],
        cause: Cause::Tls,
        advice: "the host shows another key than before: was it installed anew, or is it another \
                 machine? compare its fingerprint there before you take the new one",
        mend: "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub, there; then here, as BBB's user: \
               ssh-keygen -R HOST && ssh-keyscan HOST >> known_hosts",
    },
    Meaning {
        said: &["Host key verification failed", "host key is known for"],
        cause: Cause::Tls,
        advice: "the host's key is not known to BBB's user: take it with ssh-keyscan, and compare \
                 it with what the host itself says",
        mend: "ssh-keyscan -t ed25519 HOST >> known_hosts, of BBB's user or as \
               rsync.extra_rsync_opts names it; compare: ssh-keygen -lf known_hosts",
    },
    Meaning {
        said: &[
            "Permission denied (publickey",
            "Too many authentication failures",
        ],
        cause: Cause::TokenRefused,
        advice: "the host does not take the key: its public half must stand in authorized_keys of \
                 the user in rsync.destination, and BBB's user must be able to read the key",
        mend: "add the node's .pub to ~/.ssh/authorized_keys of that user, there, with \
               command=\"/usr/bin/rrsync -wo -no-lock SPOOL\",restrict before it",
    },
    Meaning {
        said: &["auth failed on module", "password file must"],
        cause: Cause::TokenRefused,
        advice: "the rsync daemon wants a user and password: --password-file in \
                 rsync.extra_rsync_opts, mode 600, as in the daemon's secrets file",
        mend: "chmod 600 the password file, and compare it with `secrets file` of \
               /etc/rsyncd.conf, there",
    },
    Meaning {
        said: &[
            "Could not resolve hostname",
            "Name or service not known",
            "getaddrinfo",
        ],
        cause: Cause::Dns,
        advice: "is the host in rsync.destination right?",
        mend: "getent hosts HOST",
    },
    Meaning {
        said: &[
            "Connection refused",
            "No route to host",
            "Network is unreachable",
        ],
        cause: Cause::ReceiverDown,
        advice: "is sshd, or the rsync daemon, running there, at this port?",
        mend: "systemctl status ssh rsync, there; a firewall between?",
    },
    Meaning {
        said: &["@ERROR: Unknown module"],
        cause: Cause::SpoolRefused,
        advice: "the rsync daemon has no module of this name: what follows the host in \
                 rsync.destination is a [module] of its rsyncd.conf",
        mend: "rsync rsync://HOST/ lists the daemon's modules",
    },
    Meaning {
        said: &[
            "unrecognized arguments: -no-lock",
            "Unknown option: no-lock",
        ],
        cause: Cause::SpoolRefused,
        advice: "the rrsync there is old and knows no -no-lock, and needs none",
        mend: "leave -no-lock out of authorized_keys, there",
    },
    Meaning {
        said: &["unknown option"],
        cause: Cause::Settings,
        advice: "rsync does not know or take an option of rsync.extra_rsync_opts",
        mend: "look at rsync.extra_rsync_opts: one word each; man rsync",
    },
    Meaning {
        said: &["read-only server", "module is read only"],
        cause: Cause::SpoolRefused,
        advice: "it may only be read there: rrsync needs -wo, a daemon's module `read only = no`",
        mend: "authorized_keys or rsyncd.conf, there",
    },
    Meaning {
        said: &[
            "rrsync: No such file",
            "rrsync: not found",
            "rrsync: command not found",
        ],
        cause: Cause::SpoolRefused,
        advice: "authorized_keys calls a rrsync that is not there",
        mend: "apt install rsync, there, and command=\"/usr/bin/rrsync …\" in authorized_keys",
    },
    Meaning {
        said: &["rrsync\", line", "FileNotFoundError"],
        cause: Cause::SpoolMissing,
        advice: "the folder that authorized_keys gives to rrsync is not there",
        mend: "install -d -g bbb2pod -m 2775 SPOOL, there",
    },
    Meaning {
        said: &["rrsync", "invalid rsync-command"],
        cause: Cause::SpoolRefused,
        advice: "rrsync holds the key to one folder, and refuses this path or option: the path in \
                 rsync.destination counts from that folder, so / is the folder itself",
        mend: "write USER@HOST:/ as rsync.destination, and look at rsync.extra_rsync_opts",
    },
    Meaning {
        said: &["No space left on device", "Disk quota exceeded"],
        cause: Cause::ReceiverFull,
        advice: "make room in the spool, or raise the quota of the user there",
        mend: "df -h SPOOL; quota -u USER, there",
    },
    Meaning {
        said: &[
            "Permission denied",
            "Read-only file system",
            "Operation not permitted",
        ],
        cause: Cause::SpoolRefused,
        advice: "the user in rsync.destination must be able to write the spool",
        mend: "chgrp GROUP SPOOL && chmod 2775 SPOOL, and usermod -a -G GROUP USER, there",
    },
    Meaning {
        said: &["No such file or directory", "change_dir"],
        cause: Cause::SpoolMissing,
        advice: "the folder in rsync.destination must be there",
        mend: "install -d -g GROUP -m 2775 SPOOL, there",
    },
];

/// What was said, without what explains nothing, unless that is all.
pub(super) fn lines_of(said: &str) -> Vec<&str> {
    let all = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let telling = |line: &&str| !EMPTY_WORDS.iter().any(|words| line.starts_with(words));
    let lines: Vec<_> = all().filter(telling).collect();
    if lines.is_empty() {
        all().collect()
    } else {
        lines
    }
}

/// What a call of rsync that failed with this code and these words means.
pub(super) fn complaint(code: Option<i32>, said: &str, destination: &str) -> Failure {
    let lines = lines_of(said);
    let last = lines[lines.len().saturating_sub(LINES)..].join("; ");
    let code_text = code.map_or_else(|| "a signal".to_owned(), |c| c.to_string());
    let about =
        |advice: &str| format!("rsync to {destination} ended with {code_text}: {last}; {advice}");
    let means = |m: &&Meaning| m.said.iter().any(|words| said.contains(words));
    if let Some(meaning) = MEANINGS.iter().find(means) {
        let mend = meaning.mend.replace("HOST", host(destination));
        return Failure::new(meaning.cause, about(meaning.advice)).mended_by(mend);
    }
    let timed_out =
        matches!(code, Some(30 | 35)) || ["timed out", "timeout"].iter().any(|w| said.contains(w));
    let cause = if timed_out {
        Cause::Timeout
    } else {
        Cause::Connection
    };
    let mend = "try it by hand, as BBB's user: rsync --dry-run FILE DESTINATION";
    Failure::new(cause, about("it goes on where it stopped")).mended_by(mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_are_told_apart() {
        for (code, said, cause) in [
            (
                255,
                "Host key verification failed.\r\nrsync: connection unexpectedly closed",
                Cause::Tls,
            ),
            (
                255,
                "spool@h: Permission denied (publickey).",
                Cause::TokenRefused,
            ),
            (
                255,
                "ssh: Could not resolve hostname h: Name or service not known",
                Cause::Dns,
            ),
            (
                10,
                "rsync: [sender] failed to connect to h: Connection refused (111)",
                Cause::ReceiverDown,
            ),
            (12, "/usr/bin/rrsync: unsafe path", Cause::SpoolRefused),
            (
                12,
                "/usr/bin/rrsync: Another instance of rrsync is already accessing this directory.",
                Cause::SpoolBusy,
            ),
            (
                1,
                "rsync: --fast: unknown option\nrsync error: syntax or usage error (code 1)",
                Cause::Settings,
            ),
            (
                5,
                "@ERROR: Unknown module 'x'\nrsync error: error starting (code 5)",
                Cause::SpoolRefused,
            ),
            (
                12,
                "  File \"/usr/bin/rrsync\", line 9, in x\nFileNotFoundError: [Errno 2] No such",
                Cause::SpoolMissing,
            ),
            (
                5,
                "@ERROR: auth failed on module spool",
                Cause::TokenRefused,
            ),
            (
                255,
                "@@@@@\n@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key \
                 verification failed.",
                Cause::Tls,
            ),
            (
                11,
                "rsync: write failed on \"x\": Disk quota exceeded (122)",
                Cause::ReceiverFull,
            ),
            (
                11,
                "rsync: write failed on \"x\": No space left on device (28)",
                Cause::ReceiverFull,
            ),
            (
                23,
                "rsync: mkstemp \"/x\" failed: Permission denied (13)",
                Cause::SpoolRefused,
            ),
            (
                30,
                "rsync error: timeout in data send/receive (code 30)",
                Cause::Timeout,
            ),
            (
                12,
                "rsync: connection unexpectedly closed (0 bytes received so far)",
                Cause::Connection,
            ),
        ] {
            let failure = complaint(Some(code), said, "spool@h:/");
            assert_eq!(failure.cause, cause, "{said}");
            assert!(failure.message.contains("spool@h:/"));
            let mend = failure.mend.unwrap();
            assert!(!mend.contains("HOST"), "{mend}");
        }
    }

    #[test]
    fn what_explains_nothing_is_left_out() {
        let said =
            "@ERROR: Unknown module 'x'\nrsync error: error starting (code 5) at main.c(1)\n";
        let failure = complaint(Some(5), said, "rsync://u@h.example:873/x");
        let begins =
            "rsync to rsync://u@h.example:873/x ended with 5: @ERROR: Unknown module 'x'; the";
        assert!(failure.message.starts_with(begins), "{failure}");
        assert_eq!(
            failure.mend.as_deref(),
            Some("rsync rsync://h.example/ lists the daemon's modules")
        );
        let only = complaint(Some(12), "rsync error: odd (code 12)\n", "h:/");
        assert!(only.message.contains("odd"), "{only}");
    }
}
