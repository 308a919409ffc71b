//! The drawn shapes of one whiteboard: which versions are visible at an instant, in paint order.
//!
//! A shape is drawn in several versions, each holding the whole shape as it was then. A version
//! is visible from its own time until it is undone or cleared, or a later version of the same
//! shape takes its place. BBB writes no mark for the latter: it follows from the order of the
//! file. At an instant the version of a shape that counts is the last in the file whose time has
//! come, and it is shown unless its undo has come too.

use std::collections::HashMap;

use crate::time::Millis;

/// One version of a shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The first instant at which it is visible.
    pub from: Millis,
    /// The first instant at which it is not visible any more; `Millis(u64::MAX)` for never.
    pub until: Millis,
    /// Where in the file it stands.
    pub place: Place,
    /// The number of its shape within the canvas; versions of one shape share it.
    pub shape: u32,
    /// Among the shapes of one parent, what is painted first has the lowest rank.
    pub rank: u32,
}

/// What else a version of a shape needs in order to be drawn, by the numbers of shapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ties {
    /// The shape that holds it: a group or frame of tldraw.
    pub parent: Option<u32>,
    /// Shapes that its ends are bound to: an arrow of tldraw.
    pub bound: Vec<u32>,
}

/// A range of bytes in `shapes.svg` or `tldraw.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The first byte.
    pub start: u64,
    /// How many bytes.
    pub length: u32,
}

/// A version as it is read, before it is known what supersedes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// When it appears.
    pub at: Millis,
    /// When it is undone or cleared.
    pub undo: Option<Millis>,
    /// See [`Version::place`].
    pub place: Place,
    /// See [`Version::shape`].
    pub shape: u32,
    /// What else it needs; nothing as a rule.
    pub ties: Ties,
    /// See [`Version::rank`].
    pub rank: u32,
}

/// All versions of all shapes of one whiteboard.
#[derive(Clone, Debug, Default)]
pub struct Canvas {
    versions: Vec<Version>,
    /// Numbers of versions, by the instant they appear.
    by_start: Vec<u32>,
    /// A tree over `by_start`: the leaves (second half) hold the end of each version, every node
    /// above the later of its two children.
    latest_end: Vec<Millis>,
    /// Only versions that need others have an entry.
    ties: HashMap<u32, Ties>,
}

impl Canvas {
    /// A canvas of versions in the order of the file.
    #[must_use]
    pub fn new(drafts: &[Draft]) -> Canvas {
        let mut superseded: HashMap<u32, Millis> = HashMap::new();
        let mut versions: Vec<Version> = drafts
            .iter()
            .rev()
            .map(|draft| {
                let never = Millis(u64::MAX);
                let next = superseded.entry(draft.shape).or_insert(never);
                let until = draft.undo.unwrap_or(never).min(*next);
                *next = draft.at.min(*next);
                Version {
                    from: draft.at,
                    until,
                    place: draft.place,
                    shape: draft.shape,
                    rank: draft.rank,
                }
            })
            .collect();
        versions.reverse();

        let mut by_start: Vec<u32> = (0u32..).take(versions.len()).collect();
        by_start.sort_by_key(|&n| versions[n as usize].from);
        let leaves = by_start.len().next_power_of_two();
        let mut latest_end = vec![Millis::ZERO; leaves * 2];
        for (leaf, &n) in by_start.iter().enumerate() {
            latest_end[leaves + leaf] = versions[n as usize].until;
        }
        for node in (1..leaves).rev() {
            latest_end[node] = latest_end[node * 2].max(latest_end[node * 2 + 1]);
        }
        let ties = (0u32..)
            .zip(drafts)
            .filter(|(_, draft)| draft.ties != Ties::default())
            .map(|(n, draft)| (n, draft.ties.clone()))
            .collect();
        Canvas {
            versions,
            by_start,
            latest_end,
            ties,
        }
    }

    /// All versions, in the order of the file.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The numbers of the versions visible at `t`, in the order they are painted.
    ///
    /// Takes time in proportion to how many there are, not to how many the canvas has.
    #[must_use]
    pub fn visible(&self, t: Millis) -> Vec<u32> {
        let begun = self
            .by_start
            .partition_point(|&n| self.versions[n as usize].from <= t);
        let leaves = self.latest_end.len() / 2;
        let mut found = Vec::new();
        let mut pending = vec![(1, 0, leaves)];
        while let Some((node, first, width)) = pending.pop() {
            if first >= begun || self.latest_end.get(node).is_none_or(|&end| end <= t) {
                continue;
            }
            if width == 1 {
                found.push(self.by_start[first]);
            } else {
                let half = width / 2;
                pending.push((node * 2, first, half));
                pending.push((node * 2 + 1, first + half, half));
            }
        }
        found.sort_unstable_by_key(|&n| (self.versions[n as usize].rank, n));
        if self.ties.is_empty() {
            found
        } else {
            self.depth_first(&found)
        }
    }

    /// The visible versions that version `n` depends on: those that hold it, innermost first, and
    /// those that its ends are bound to, each followed by what holds them.
    #[must_use]
    pub fn tied(&self, n: u32, visible: &[u32]) -> Vec<u32> {
        let mut tied = self.holders(n, visible);
        for &shape in self
            .ties
            .get(&n)
            .map(|t| t.bound.as_slice())
            .unwrap_or_default()
        {
            if let Some(target) = self.visible_version(shape, visible) {
                tied.push(target);
                tied.extend(self.holders(target, visible));
            }
        }
        tied
    }

    /// The visible versions that hold version `n`, innermost first.
    #[must_use]
    pub fn holders(&self, n: u32, visible: &[u32]) -> Vec<u32> {
        let mut holders = Vec::new();
        let mut of = n;
        while let Some(parent) = self.parent(of) {
            // A circle of parents, which only a forged file has, must end too.
            match self.visible_version(parent, visible) {
                Some(holder) if holder != n && !holders.contains(&holder) => {
                    holders.push(holder);
                    of = holder;
                }
                _ => break,
            }
        }
        holders
    }

    fn visible_version(&self, shape: u32, visible: &[u32]) -> Option<u32> {
        visible
            .iter()
            .copied()
            .find(|&n| self.versions[n as usize].shape == shape)
    }

    fn parent(&self, n: u32) -> Option<u32> {
        self.ties.get(&n).and_then(|ties| ties.parent)
    }

    /// Every instant at which something appears or disappears, unsorted.
    pub fn instants(&self) -> impl Iterator<Item = Millis> + '_ {
        self.versions
            .iter()
            .filter(|v| v.from < v.until)
            .flat_map(|v| [v.from, v.until])
            .filter(|&t| t != Millis(u64::MAX))
    }

    /// Children directly after what holds them; `siblings` is sorted by rank.
    fn depth_first(&self, siblings: &[u32]) -> Vec<u32> {
        let shapes: std::collections::HashSet<u32> = siblings
            .iter()
            .map(|&n| self.versions[n as usize].shape)
            .collect();
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut roots = Vec::new();
        for &n in siblings {
            match self.parent(n).filter(|parent| shapes.contains(parent)) {
                Some(parent) => children.entry(parent).or_default().push(n),
                None => roots.push(n),
            }
        }
        let mut order = Vec::with_capacity(siblings.len());
        roots.reverse();
        while let Some(n) = roots.pop() {
            order.push(n);
            let held = children
                .remove(&self.versions[n as usize].shape)
                .unwrap_or_default();
            roots.extend(held.into_iter().rev());
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn draft(at: u64, undo: Option<u64>, shape: u32) -> Draft {
        Draft {
            at: Millis(at),
            undo: undo.map(Millis),
            place: Place {
                start: 0,
                length: 0,
            },
            shape,
            ties: Ties::default(),
            rank: 0,
        }
    }

    /// The rule as one would say it, without any structure.
    fn obviously_visible(drafts: &[Draft], t: u64) -> Vec<u32> {
        let mut last_of_shape: HashMap<u32, u32> = HashMap::new();
        for (n, draft) in (0u32..).zip(drafts) {
            if draft.at.0 <= t {
                last_of_shape.insert(draft.shape, n);
            }
        }
        let mut visible: Vec<u32> = last_of_shape
            .into_values()
            .filter(|&n| drafts[n as usize].undo.is_none_or(|undo| t < undo.0))
            .collect();
        visible.sort_unstable();
        visible
    }

    #[test]
    fn a_later_version_takes_the_place_of_an_earlier_one() {
        let canvas = Canvas::new(&[
            draft(10, None, 1),
            draft(15, None, 2),
            draft(20, Some(30), 1),
        ]);
        assert!(canvas.visible(Millis(9)).is_empty());
        assert_eq!(canvas.visible(Millis(10)), [0]);
        assert_eq!(canvas.visible(Millis(19)), [0, 1]);
        assert_eq!(canvas.visible(Millis(20)), [1, 2]);
        assert_eq!(canvas.visible(Millis(30)), [1]);
    }

    #[test]
    fn an_undone_shape_does_not_fall_back_to_an_earlier_version() {
        let canvas = Canvas::new(&[draft(10, None, 1), draft(20, Some(30), 1)]);
        assert!(canvas.visible(Millis(30)).is_empty());
    }

    #[test]
    fn children_are_painted_after_what_holds_them() {
        let mut frame = draft(0, None, 1);
        frame.rank = 5;
        let mut child = draft(0, None, 2);
        child.ties.parent = Some(1);
        child.rank = 1;
        let mut other = draft(0, None, 3);
        other.rank = 3;
        let canvas = Canvas::new(&[child, other, frame]);
        let visible = canvas.visible(Millis::ZERO);
        assert_eq!(visible, [1, 2, 0]);
        assert_eq!(canvas.holders(0, &visible), [2]);
    }

    #[test]
    fn a_circle_of_parents_ends() {
        let mut a = draft(0, None, 1);
        a.ties.parent = Some(2);
        let mut b = draft(0, None, 2);
        b.ties.parent = Some(1);
        let canvas = Canvas::new(&[a, b]);
        assert_eq!(canvas.holders(0, &[0, 1]), [1]);
        assert!(canvas.visible(Millis::ZERO).len() <= 2);
    }

    proptest! {
        #[test]
        fn visible_is_what_the_obvious_model_says(
            rows in prop::collection::vec((0u64..60, prop::option::of(0u64..60), 0u32..8), 0..60)
        ) {
            let drafts: Vec<Draft> = rows.iter().map(|&(at, undo, shape)| draft(at, undo, shape)).collect();
            let canvas = Canvas::new(&drafts);
            for t in 0..65 {
                prop_assert_eq!(canvas.visible(Millis(t)), obviously_visible(&drafts, t), "at {}", t);
            }
        }

        #[test]
        fn nothing_changes_between_two_instants(
            rows in prop::collection::vec((0u64..60, prop::option::of(0u64..60), 0u32..8), 0..40)
        ) {
            let drafts: Vec<Draft> = rows.iter().map(|&(at, undo, shape)| draft(at, undo, shape)).collect();
            let canvas = Canvas::new(&drafts);
            let instants: Vec<Millis> = canvas.instants().collect();
            for t in 1..65 {
                if !instants.contains(&Millis(t)) {
                    prop_assert_eq!(canvas.visible(Millis(t)), canvas.visible(Millis(t - 1)));
                }
            }
        }
    }
}
