//! The stand-in Pod as a process of its own, for tests that kill it. Prints one line of JSON with
//! its addresses and a token once it serves, and runs until it is killed.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use serde_json::json;
use support::pod::{ADMIN_TOKEN, Database, Encoder, Settings, StandInPod, Version};

/// A stand-in for an Esup-Pod site.
#[derive(Debug, Parser)]
struct Arguments {
    /// Port of the site; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of the controls (/_control/); 0 takes a free one
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// Release to behave like: 3.7.0, 3.8.4 or 4.1.0
    #[arg(long, default_value = "4.1.0")]
    pod_version: String,
    /// Database to behave like
    #[arg(long, value_enum, default_value = "mariadb")]
    database: DatabaseName,
    /// Answer as with DEBUG=True
    #[arg(long)]
    debug: bool,
    /// Answer as with USE_PODFILE=False
    #[arg(long)]
    no_podfile: bool,
    /// Language of requests that name none
    #[arg(long, default_value = "fr")]
    language: String,
    /// Milliseconds that each step of an encoding lasts
    #[arg(long, default_value_t = 60)]
    encoding_step: u64,
    /// DEFAULT_RECORDER_PATH on this machine
    #[arg(long)]
    recorder_root: Option<PathBuf>,
    /// The same folder as Pod names it
    #[arg(long)]
    recorder_path: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum DatabaseName {
    Mariadb,
    Postgres,
    Sqlite,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let version = Version::from_number(&arguments.pod_version)
        .with_context(|| format!("no stand-in for Pod {}", arguments.pod_version))?;
    let pod = StandInPod::start_with(Settings {
        version,
        database: match arguments.database {
            DatabaseName::Mariadb => Database::MariaDb,
            DatabaseName::Postgres => Database::Postgres,
            DatabaseName::Sqlite => Database::Sqlite,
        },
        debug: arguments.debug,
        podfile: !arguments.no_podfile,
        language: arguments.language,
        encoder: Encoder::Timed(Duration::from_millis(arguments.encoding_step)),
        recorder_root: arguments.recorder_root,
        recorder_path: arguments.recorder_path,
        port: arguments.port,
        control_port: Some(arguments.control_port),
        ..Settings::default()
    });
    println!(
        "{}",
        json!({"url": pod.url(), "control": pod.control_url(), "token": ADMIN_TOKEN, "recorder_root": pod.recorder_root()})
    );
    loop {
        std::thread::park();
    }
}
