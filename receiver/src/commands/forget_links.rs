//! `forget-links`: removes rows of "My external videos" again.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use url::Url;

use super::{ConfigArg, Usage, print};
use crate::pod::DestinationConfig;
use crate::pod::external::Links;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Removes every row whose address begins with the prefix, whoever made it, also those whose video
has been imported: the imported videos stay. Counts first, and asks; where there is no terminal
nobody can be asked, and --yes is needed.

Examples:
  bbb2pod-receiver forget-links --prefix https://bbb2pod.univ.example/video/ --dry-run
  bbb2pod-receiver forget-links --prefix https://old-bbb.univ.example/playback/ --yes")]
pub(super) struct Args {
    /// How the addresses begin, with at least a whole host name
    #[arg(long, value_name = "URL")]
    prefix: String,
    /// Only count, and print the statements
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; needed where there is no terminal
    #[arg(long)]
    yes: bool,
    /// In the Pod of this tenant
    #[arg(long)]
    tenant: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.config.read_for(args.tenant.as_deref()).await?;
    let DestinationConfig::External(external) = &config.destination else {
        let why = "forget-links needs destination.kind external, and its database, in the settings";
        return Err(Usage(why.to_owned()).into());
    };
    check_prefix(&args.prefix)?;
    let links = Links::new(external)?;
    let found = links.beginning_with(&args.prefix).await?;
    let mut lines = Vec::new();
    for (owner, count) in &found.owners {
        lines.push(format!("{count:>7}  {owner}"));
    }
    lines.push(format!(
        "{:>7}  in all, {} of them imported into Pod",
        found.count(),
        found.imported
    ));
    if args.dry_run {
        lines.extend(links.shown(&found));
    }
    print(&lines)?;
    if args.dry_run || found.count() == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    if !args.yes && !confirmed(found.count())? {
        eprintln!("Nothing was removed.");
        return Ok(ExitCode::from(1));
    }
    let removed = links.forget(&found).await?;
    eprintln!("Removed {removed} rows.");
    Ok(ExitCode::SUCCESS)
}

/// A prefix that could fit other servers' addresses too would remove what nobody meant.
fn check_prefix(prefix: &str) -> Result<(), Usage> {
    let url = Url::parse(prefix).ok();
    let whole = url.is_some_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && prefix.splitn(4, '/').count() == 4
    });
    match whole {
        true => Ok(()),
        false => Err(Usage(format!(
            "--prefix \"{}\": write at least scheme, host and a slash, like https://bbb.univ.example/",
            prefix.escape_debug()
        ))),
    }
}

fn confirmed(count: usize) -> anyhow::Result<bool> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        let why = "there is nobody to ask here; look with --dry-run, then say --yes";
        return Err(Usage(why.to_owned()).into());
    }
    eprint!("Remove these {count} rows from Pod's database? [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(matches!(
        answer.trim(),
        "y" | "Y" | "yes" | "o" | "O" | "oui"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_names_a_whole_host() {
        for prefix in [
            "https://bbb.univ.example/",
            "http://b/playback/presentation/2.0/",
        ] {
            assert!(check_prefix(prefix).is_ok(), "{prefix}");
        }
        for prefix in [
            "",
            "h",
            "https://",
            "https://bbb",
            "bbb.univ.example/",
            "/x",
            "%",
        ] {
            assert!(check_prefix(prefix).is_err(), "{prefix}");
        }
    }
}
