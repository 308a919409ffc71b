//! `check`: tries everything that the settings name, and says what to change.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use recording::durable;

use super::ConfigArg;
use crate::config::Config;
use crate::import::Archive;
use crate::ledger::Ledger;
use crate::moodle_message::Messages;
use crate::owners::Finders;
use crate::pod::{self, Finding, Severity};
use crate::tenants::Context;

/// Videos with trouble in Pod that are named.
const TROUBLES_SHOWN: usize = 20;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  sudo -u bbb2pod bbb2pod-receiver check --config /etc/bbb2pod/receiver.yml\n\nEach line begins with OK, WARN or FAIL; the exit code is 1 when anything failed."
)]
pub(super) struct Args {
    /// As one JSON list
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.read()?;
    let mut findings = vec![Finding::fine(format!(
        "settings {}",
        args.config.config.display()
    ))];
    findings.extend(folders(&config));
    findings.push(ledger(&config).await);
    findings.extend(troubles(&config).await);
    findings.extend(converter(&config));
    match super::serve::video_links(&config) {
        Ok(links) => match pod::destination(&config.destination, &links) {
            Ok(destination) => findings.extend(destination.check().await),
            Err(error) => findings.push(error.into()),
        },
        Err(error) => findings.push(Finding::wrong(
            error.to_string(),
            "check the rights of the folder that the ledger is in",
        )),
    }
    if let Some(owners) = &config.owners {
        match Finders::new(owners, &config.destination) {
            Ok(finders) => findings.extend(finders.check().await),
            Err(error) => findings.push(Finding::wrong(
                format!("owners: {error}"),
                "correct what is named there in the settings",
            )),
        }
    }
    findings.extend(messages(&config).await);
    findings.extend(super::notify::check(&config).await);
    findings.extend(tenants(&config).await);
    if args.json {
        println!("{}", serde_json::to_string(&findings)?);
    } else {
        for finding in &findings {
            let word = match finding.severity {
                Severity::Fine => "OK  ",
                Severity::Warning => "WARN",
                Severity::Wrong => "FAIL",
            };
            println!("{word} {}", finding.what);
            if let Some(advice) = &finding.advice {
                println!("     → {advice}");
            }
        }
    }
    let wrong = findings.iter().any(|f| f.severity == Severity::Wrong);
    Ok(ExitCode::from(u8::from(wrong)))
}

/// Whether each tenant's Pod takes what it is to be given.
async fn tenants(config: &Config) -> Vec<Finding> {
    let (Ok(ledger), Ok(links)) = (
        Ledger::open(&config.database).await,
        super::serve::video_links(config),
    ) else {
        // Told already.
        return Vec::new();
    };
    let mut findings = Vec::new();
    for tenant in ledger.tenants().await.unwrap_or_default() {
        let name = &tenant.name;
        let settings = ledger.tenant_settings(name).await.ok().flatten();
        let of_it = match Context::open(name, config, &links, &settings.unwrap_or_default()) {
            Ok(context) => {
                let mut of_it = context.destination.check().await;
                if let Some(finders) = &context.finders {
                    of_it.extend(finders.check().await);
                }
                of_it
            }
            Err(error) => vec![Finding::wrong(
                error.to_string(),
                format!("bbb2pod-receiver tenant setting list {name}"),
            )],
        };
        findings.extend(of_it.into_iter().map(|finding| Finding {
            what: format!("tenant {name}: {}", finding.what),
            ..finding
        }));
    }
    ledger.close().await;
    findings
}

/// Whether each folder can be written, tried by writing.
fn folders(config: &Config) -> Vec<Finding> {
    let folders = [
        ("spool_dir", &config.spool_dir),
        ("archive_dir", &config.archive_dir),
        ("media_dir", &config.media_dir),
        ("work_dir", &config.work_dir),
    ];
    let mut findings: Vec<_> = folders
        .iter()
        .map(|(key, folder)| writable(key, folder))
        .collect();
    if let Ok(archive) = Archive::open(&config.archive_dir)
        && let Err(error) = archive.probe()
    {
        findings.push(Finding::wrong(
            format!("archive_dir {}: {error}", config.archive_dir.display()),
            "give it to the user that runs the receiver",
        ));
    }
    let keep_free = config.upload.keep_free.as_u64();
    if let Ok(stat) = rustix::fs::statvfs(&config.spool_dir) {
        let free = bytesize::ByteSize(stat.f_bavail.saturating_mul(stat.f_frsize));
        if free.as_u64() < keep_free {
            findings.push(Finding::wrong(
                format!(
                    "spool_dir has {free} free, less than upload.keep_free ({})",
                    config.upload.keep_free
                ),
                "free some space, or lower upload.keep_free: until then every upload is refused",
            ));
        } else {
            findings.push(Finding::fine(format!("spool_dir has {free} free")));
        }
    }
    findings
}

fn writable(key: &str, folder: &Path) -> Finding {
    let probe = folder.join(".bbb2pod-probe");
    let tried = fs::create_dir_all(folder)
        .and_then(|()| durable::write(&probe, b"probe"))
        .and_then(|()| fs::remove_file(&probe));
    match tried {
        Ok(()) => Finding::fine(format!("{key} {} can be written", folder.display())),
        Err(error) => Finding::wrong(
            format!("{key} {}: {error}", folder.display()),
            format!("give it to the user that runs the receiver, or change {key}"),
        ),
    }
}

async fn ledger(config: &Config) -> Finding {
    match Ledger::open(&config.database).await {
        Ok(ledger) => {
            let nodes = ledger.nodes().await.map(|nodes| nodes.len());
            ledger.close().await;
            match nodes {
                Ok(0) => Finding::warning(
                    "ledger: no node may send yet",
                    "bbb2pod-receiver node add NAME",
                ),
                Ok(n) => Finding::fine(format!("ledger {}, {n} nodes", config.database.display())),
                Err(error) => Finding::wrong(error.to_string(), "restore the ledger from a backup"),
            }
        }
        Err(error) => Finding::wrong(
            error.to_string(),
            "check `database` in the settings and the folder's rights",
        ),
    }
}

/// Whether messages can be written into each Moodle that is to have them.
async fn messages(config: &Config) -> Vec<Finding> {
    let (Some(section), Some(owners)) = (&config.moodle_message, &config.owners) else {
        return Vec::new();
    };
    let advice = "correct moodle_message in the settings";
    let Some(pod_url) = section
        .pod_url
        .clone()
        .or_else(|| config.destination.pod_url())
    else {
        let what = "moodle_message.pod_url is missing: the destination does not say Pod's address";
        return vec![Finding::wrong(what, advice)];
    };
    let Ok(ledger) = Ledger::open(&config.database).await else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for target in section.targets(owners) {
        findings.push(
            match Messages::open(&target, section, pod_url.clone(), &ledger).await {
                Ok(messages) => messages.check().await,
                Err(error) => Finding::wrong(error.to_string(), advice),
            },
        );
    }
    ledger.close().await;
    findings
}

/// What is wrong in Pod with single videos.
async fn troubles(config: &Config) -> Vec<Finding> {
    let Ok(ledger) = Ledger::open(&config.database).await else {
        return Vec::new();
    };
    let troubles = ledger.troubles().await.unwrap_or_default();
    ledger.close().await;
    let advice = "see: bbb2pod-receiver recording show ID";
    let finding = |(id, trouble): &(recording::RecordId, String)| {
        Finding::warning(format!("{id}: {trouble}"), advice)
    };
    let mut findings: Vec<_> = troubles.iter().take(TROUBLES_SHOWN).map(finding).collect();
    if troubles.len() > TROUBLES_SHOWN {
        let more = troubles.len() - TROUBLES_SHOWN;
        findings.push(Finding::warning(
            format!("and {more} more recordings with trouble in Pod"),
            advice,
        ));
    }
    findings
}

/// Whether ffmpeg is there, new enough and has the codec, and whether there are fonts to draw text
/// with.
fn converter(config: &Config) -> Vec<Finding> {
    let options = config.convert.options(&config.work_dir);
    let ffmpeg = match render::media::ffmpeg_version(&options.tools) {
        Ok(version) => match options.encoder() {
            Ok(encoder) => Finding::fine(format!("ffmpeg {version}, {encoder}")),
            Err(error) => Finding::wrong(error.to_string(), "set convert.codec to h264"),
        },
        Err(error) => Finding::wrong(error.to_string(), "apt install ffmpeg"),
    };
    let fonts = match render::fonts::Fonts::system().database().len() {
        0 => Finding::wrong(
            "no font: text on slides and whiteboards cannot be drawn",
            "apt install fonts-liberation",
        ),
        n => Finding::fine(format!("{n} fonts")),
    };
    vec![ffmpeg, fonts]
}
