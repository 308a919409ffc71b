//! What the nodes told, against what came from them.

use recording::protocol::OnNode;

use super::{Difference, Findings, Kind, Place};
use crate::ledger::Ledger;

pub(super) async fn compare(
    ledger: &Ledger,
    node: Option<&str>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    for told in ledger.all_node_states(node).await? {
        let held = ledger.formats(&told.record_id).await?;
        let is_here = held.iter().any(|(format, ..)| *format == told.format);
        let on = format!("on {} since {:.0}", told.node, told.since);
        let (kind, text) = match told.state {
            OnNode::Published if !is_here => {
                if ledger.is_waiting(&told.record_id, &told.format).await? {
                    continue;
                }
                let text = format!(
                    "published on {} and not archived here; the node's sweep sends it",
                    told.node
                );
                (Kind::Missing, text)
            }
            OnNode::Deleted if is_here => (Kind::Deleted, format!("deleted {on}; it is kept here")),
            OnNode::Unpublished if is_here => (
                Kind::Unpublished,
                format!("unpublished {on}; it is kept here"),
            ),
            OnNode::Pruned if is_here => {
                findings.pruned += 1;
                continue;
            }
            // Its node deleted it because it was here.
            OnNode::Pruned => (
                Kind::Missing,
                format!("pruned {on}, and not archived here any more; restore it from a backup"),
            ),
            _ => continue,
        };
        let difference = Difference {
            record_id: Some(told.record_id),
            format: Some(told.format),
            node: Some(told.node.clone()),
            place: Place::Node,
            kind,
            text,
        };
        match kind {
            Kind::Unpublished => findings.unpublished.push(difference),
            _ => findings.differences.push(difference),
        }
    }
    Ok(())
}
