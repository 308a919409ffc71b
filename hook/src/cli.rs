//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::report::Report;
use crate::settings::DEFAULT_PATH;

/// Hands recordings over from a BigBlueButton node to a bbb2pod receiver.
#[derive(Debug, Parser)]
#[command(name = "bbb2pod-hook", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The node's settings
    #[arg(long, global = true, value_name = "FILE", default_value = DEFAULT_PATH, env = "BBB2POD_HOOK_CONFIG")]
    pub(crate) config: PathBuf,
    /// Form of the log on standard error
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Take a snapshot of a published recording into the outbox
    ///
    /// BBB's post-publish script calls this. It returns at once: nothing is sent here.
    #[command(after_help = "Examples:
  Every published format of a recording:
    bbb2pod-hook publish -m 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920
  One format:
    bbb2pod-hook publish -m 183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920 -f video

Exit codes: 0 taken, or left out by the filters; 1 disk; 2 settings, or no such recording.")]
    Publish {
        /// BBB's internal meeting id
        #[arg(
            short = 'm',
            long = "meeting-id",
            value_name = "ID",
            allow_hyphen_values = true
        )]
        meeting_id: String,
        /// Playback format; every published one unless given
        #[arg(
            short = 'f',
            long = "format",
            value_name = "FORMAT",
            allow_hyphen_values = true
        )]
        format: Option<String>,
    },
    /// Send what waits in the outbox
    #[command(after_help = "Examples:
  Try every job now, wait for the confirmations, and end:
    bbb2pod-hook send
  As a service (see bbb2pod-hook.service):
    bbb2pod-hook send --watch
  By day, though http.window says 20:00-06:00:
    bbb2pod-hook send --now

Exit codes: 0 all confirmed; 1 some are not; 2 settings or token; 3 the receiver cannot be reached.")]
    Send {
        /// Keep running, and send new jobs as they come
        #[arg(long)]
        watch: bool,
        /// Longest wait for confirmations once everything is delivered, in seconds
        #[arg(
            long,
            value_name = "SECONDS",
            default_value_t = 120,
            conflicts_with = "watch"
        )]
        wait: u64,
        /// Also outside the hours of http.window
        #[arg(long)]
        now: bool,
    },
    /// Tell what waits in the outbox, why, and since when
    #[command(after_help = "Examples:
  For people:
    bbb2pod-hook status
  The oldest job that waits, for a monitoring script:
    bbb2pod-hook status --json | jq '.jobs[0]'
  For Prometheus' node_exporter (bbb2pod-hook-textfile.timer does it every minute):
    bbb2pod-hook status --textfile /var/lib/prometheus/node-exporter/bbb2pod.prom

Exit codes: 0 all is well, or the textfile is written; 1 something is failing; 2 settings.")]
    Status {
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
        /// Write numbers for node_exporter into this file instead
        #[arg(long, value_name = "FILE", conflicts_with = "json")]
        textfile: Option<PathBuf>,
    },
    /// Take what was published before the hook was there into the outbox
    ///
    /// Hard links again: neither space nor time. `send` takes these jobs after what BBB publishes
    /// now. What was sent already is left out, so it may be run again at any time.
    #[command(after_help = "Examples:
  See what would be sent:
    bbb2pod-hook backfill --dry-run
  The last academic year of one front-end, newest first, with a list of what was done:
    bbb2pod-hook backfill --since 2024-09-01 --until 2025-07-01 --origin moodle --order newest --report backfill.csv

  What a list of record ids names, the first hundred of it:
    bbb2pod-hook backfill --id-file ids.txt --max 100

Exit codes: 0 done; 1 some could not be taken, or --id-file names some that are not there (the rest
was taken); 2 settings or options.")]
    Backfill(Backfill),
    /// Take what a lost call of the post-publish script missed; `send --watch` does it every hour
    #[command(after_help = "Examples:
  After a repair of the node:
    bbb2pod-hook sweep

Exit codes: 0 done; 1 some could not be taken; 2 settings.")]
    Sweep,
    /// Write man pages and shell completions into a folder
    #[command(hide = true)]
    Manual(manual::Args),
    /// Compare the node with its outbox and with what the receiver has
    ///
    /// Recordings are read once to take their digests; after that only what has changed is.
    #[command(after_help = "Examples:
  For people:
    bbb2pod-hook reconcile
  What the receiver lacks, for a script:
    bbb2pod-hook reconcile --json | jq -r '.differences[] | select(.kind == \"missing\") | .record_id'

missing: on the node, not in the receiver's archive; changed: another content is there;
deleted: no longer on the node; extra: there under this node's name, without a trace here.

Exit codes: 0 all the same; 1 something differs; 2 settings or token; 3 the receiver cannot be reached.")]
    Reconcile {
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
    /// Delete recordings from the node that the receiver has confirmed
    ///
    /// Only with prune.enabled, only after prune.after_days, and only when the receiver has every
    /// format that BBB's steps produce, digest by digest as it lies on the disk now. Deletes
    /// through `bbb-record --delete`, which takes root.
    #[command(after_help = "Examples:
  See what would be deleted, and why the rest would not:
    bbb2pod-hook prune --dry-run
  Every night (see bbb2pod-hook-prune.timer):
    bbb2pod-hook prune --report /var/log/bigbluebutton/bbb2pod-prune.csv

Exit codes: 0 done; 1 something could not be deleted; 2 settings or token; 3 the receiver cannot be reached.")]
    Prune(Prune),
    /// Try everything that the node needs, and say what to change
    ///
    /// As root it tries what the service will do as BBB's user.
    #[command(after_help = "Examples:
  sudo bbb2pod-hook check
  For a script:
    bbb2pod-hook check --json | jq '.[] | select(.level == \"fail\")'

Each line begins with OK, WARN or FAIL. Exit codes: 0 nothing failed; 1 something did; 2 settings.")]
    Check {
        /// One JSON list instead of text
        #[arg(long)]
        json: bool,
    },
    /// Make this node known to a receiver by a one-time code, then check everything
    ///
    /// Writes the token, for BBB's user only, and http.receiver and http.token_file into the
    /// settings, and starts the package's service.
    #[command(after_help = "Examples:
  With the code that `bbb2pod-receiver node enroll bbb1.univ.example` printed:
    sudo bbb2pod-hook enroll https://bbb2pod.univ.example --code 7F3K-9QXM-2D4T

Exit codes: 0 done; 1 something of the check failed; 2 wrong code or settings; 3 the receiver cannot be reached.")]
    Enroll(Enroll),
    /// Become rsync, and end with the process of this number; `send` calls it
    #[command(hide = true, name = crate::transport::rsync::CHILD)]
    RsyncChild {
        /// The process to end with
        parent: i32,
        /// What rsync is called with
        #[arg(last = true)]
        arguments: Vec<String>,
    },
    /// Try rsync's destination; `check` calls it as BBB's user
    #[command(hide = true)]
    TryRsync,
    /// Try to write in folders; `check` calls it as BBB's user
    #[command(hide = true)]
    TryFolders {
        /// The folder, and a file that is to be linked into it
        paths: Vec<PathBuf>,
    },
}

/// What to delete.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Only tell
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write what became of each recording into this file (.csv or .json)
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<Report>,
}

/// How to become known.
#[derive(Debug, Args)]
pub(crate) struct Enroll {
    /// The receiver's address
    #[arg(value_name = "URL")]
    pub(crate) url: String,
    /// The one-time code
    #[arg(long, value_name = "CODE")]
    pub(crate) code: String,
    /// Certificates of a private authority, in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Where the token goes; http.token_file, or beside the settings, unless given
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
}

/// Which old recordings to take.
#[derive(Debug, Args)]
pub(crate) struct Backfill {
    /// Meetings that began on this day or later (2024-09-01)
    #[arg(long, value_name = "DAY")]
    pub(crate) since: Option<jiff::civil::Date>,
    /// Meetings that began before this day
    #[arg(long, value_name = "DAY")]
    pub(crate) until: Option<jiff::civil::Date>,
    /// Only this format; may be given several times. Otherwise those of filters.formats
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Vec<recording::PlaybackFormat>,
    /// Only this bbb-origin; may be given several times
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Vec<String>,
    /// Only with this value of a meta key; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    pub(crate) meta: Vec<(String, String)>,
    /// Only record ids of this file, one a line; # begins a comment
    #[arg(long, value_name = "FILE")]
    pub(crate) id_file: Option<PathBuf>,
    /// Unpublished recordings too
    #[arg(long)]
    pub(crate) unpublished: bool,
    /// In which order they are sent
    #[arg(long, value_name = "ORDER", default_value = "oldest")]
    pub(crate) order: Order,
    /// Begin with the N-th of those that the options choose, sent already or not; each format counts
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number)]
    pub(crate) min: usize,
    /// End with the N-th
    #[arg(long, value_name = "N", value_parser = number)]
    pub(crate) max: Option<usize>,
    /// Only tell
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write what was decided on each recording into this file (.csv or .json)
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<Report>,
    /// Show how far the sender is, until everything is confirmed; so it is on a terminal
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) follow: bool,
    /// Return as soon as everything waits, on a terminal too
    #[arg(long, conflicts_with = "follow")]
    pub(crate) no_follow: bool,
}

/// The order of a backfill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// By the meeting's beginning
    Oldest,
    /// By the meeting's beginning, last first
    Newest,
    /// By size
    Smallest,
}

fn number(text: &str) -> Result<usize, String> {
    let number: Option<usize> = text.parse().ok();
    number
        .filter(|n| *n > 0)
        .ok_or_else(|| "must be a number, 1 or more".to_owned())
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_shows_an_example() {
        assert!(manual::without_example(Cli::command()).is_empty());
    }
}
