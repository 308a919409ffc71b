//! `export`: the list of all recordings.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use recording::durable;
use tokio::sync::watch;

use super::serve::{assemble, make_folders};
use super::{ConfigArg, print};
use crate::export::{Entry, header, line};
use crate::pipeline;

/// Recordings looked up in the ledger at once.
const PAGE: u32 = 1000;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The CSV has the columns of Esup-Pod's migrate_bbb_recordings, separated by semicolons, then the
owners, why they are, and the record id.

Examples:
  bbb2pod-receiver export -o recordings.csv
  bbb2pod-receiver export --format json | jq -r 'select(.owners == []) | .source_url'")]
pub(super) struct Args {
    /// How
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// Write to this file instead of to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Semicolons, one line for each recording
    Csv,
    /// One JSON object a line
    Json,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.read()?;
    make_folders(&config)?;
    let (_stop, stopping) = watch::channel(false);
    let shared = assemble(config, stopping).await?;
    let mut output = match &args.output {
        Some(path) => {
            let folder = match path.parent() {
                Some(folder) if folder.as_os_str().is_empty() => ".".into(),
                Some(folder) => folder.to_owned(),
                None => PathBuf::from("/"),
            };
            let file = tempfile::NamedTempFile::new_in(&folder)
                .with_context(|| format!("cannot write in {}", folder.display()))?;
            Some((file, path))
        }
        None => None,
    };
    let mut put = |text: &str| match &mut output {
        Some((file, _)) => Ok(file.write_all(text.as_bytes())?),
        None => print(&[text.trim_end_matches('\n').to_owned()]),
    };
    if args.format == Format::Csv {
        put(&header())?;
    }
    let (mut count, mut failed) = (0, 0);
    let mut after = None;
    loop {
        let page = shared.ledger.record_ids(after.as_ref(), PAGE).await?;
        for id in &page {
            let lecture = match pipeline::described(&shared, id).await {
                Ok(lecture) => lecture,
                Err(why) => {
                    eprintln!("{id}: {why}");
                    failed += 1;
                    continue;
                }
            };
            let entry = Entry::of(&lecture);
            put(&match args.format {
                Format::Csv => line(&entry),
                Format::Json => serde_json::to_string(&entry)? + "\n",
            })?;
            count += 1;
        }
        match page.last() {
            Some(last) => after = Some(last.clone()),
            None => break,
        }
    }
    if let Some((file, path)) = output {
        file.as_file().sync_all()?;
        durable::persist(file, path).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("{count} recordings in {}", path.display());
    }
    shared.ledger.close().await;
    Ok(ExitCode::from(u8::from(failed > 0)))
}
