//! The spool: packages that wait and are gone, and those that were rejected and never came again.

use super::{Difference, Kind, Place};
use crate::config::Config;
use crate::ledger::Ledger;
use crate::upload::{self, INCOMING};

pub(super) async fn compare(
    config: &Config,
    ledger: &Ledger,
    node: Option<&str>,
    out: &mut Vec<Difference>,
) -> anyhow::Result<()> {
    let mut told = Vec::new();
    for package in ledger.open_packages(node).await? {
        let waits = package.rejected.is_none();
        let part = config
            .spool_dir
            .join(INCOMING)
            .join(format!("{}.part", package.id));
        if waits && (config.spool_dir.join(&package.file).exists() || part.exists()) {
            continue;
        }
        // What tells no recording is seen by its file.
        if package.record_id.is_none() && !waits {
            continue;
        }
        told.extend(package.record_id.clone());
        let text = match package.rejected {
            None => format!("{} waits for import and is not in the spool", package.file),
            Some(reason) => format!("{} was rejected: {reason}", package.file),
        };
        out.push(Difference {
            record_id: package.record_id,
            format: package.format,
            place: Place::Spool,
            kind: Kind::Missing,
            text,
        });
    }
    for tar in upload::rejected(&config.spool_dir)? {
        let name = tar.file_name().unwrap_or_default().to_string_lossy();
        if node.is_none() && !told.iter().any(|id| name.starts_with(id.as_str())) {
            out.push(Difference {
                record_id: None,
                format: None,
                place: Place::Spool,
                kind: Kind::Extra,
                text: format!(
                    "{} was rejected; the file {name}.reason beside it says why",
                    tar.display()
                ),
            });
        }
    }
    Ok(())
}
