//! What the nodes told, against what came from them.

use recording::protocol::OnNode;

use super::{Difference, Kind, Place};
use crate::ledger::Ledger;

pub(super) async fn compare(
    ledger: &Ledger,
    node: Option<&str>,
    out: &mut Vec<Difference>,
) -> anyhow::Result<()> {
    for told in ledger.all_node_states(node).await? {
        let held = ledger.formats(&told.record_id).await?;
        let is_here = held.iter().any(|(format, ..)| *format == told.format);
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
            OnNode::Unpublished | OnNode::Deleted if is_here => {
                let (state, since) = (told.state.as_str(), told.since);
                let text = format!("{state} on {} since {since:.0}; it is kept here", told.node);
                (Kind::Deleted, text)
            }
            _ => continue,
        };
        out.push(Difference {
            record_id: Some(told.record_id),
            format: Some(told.format),
            place: Place::Node,
            kind,
            text,
        });
    }
    Ok(())
}
