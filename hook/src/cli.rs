//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

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

Exit codes: 0 all confirmed; 1 some are not; 2 settings; 3 the receiver cannot be reached.")]
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
    },
    /// Tell what waits in the outbox, why, and since when
    #[command(after_help = "Examples:
  For people:
    bbb2pod-hook status
  The oldest job that waits, for a monitoring script:
    bbb2pod-hook status --json | jq '.jobs[0]'

Exit codes: 0 all is well; 1 something is failing; 2 settings.")]
    Status {
        /// One JSON object instead of text
        #[arg(long)]
        json: bool,
    },
}
