//! Lines drawn by hand around corners (`polygon-helpers.ts` of tldraw 2).

use super::super::path::Path;
use super::super::random::Random;
use super::super::vector::{V, v};

/// A polygon gone around `passes` times, each corner off by up to `offset` and rounded.
pub(super) fn rounded(id: &str, corners: &[V], offset: f64, roundness: f64, passes: usize) -> Path {
    let mut random = Random::new(id);
    let mut path = Path::new();
    let Some(&first) = corners.first() else {
        return path;
    };
    let mut from = first;
    let mut start = None;
    for n in 0..corners.len() * passes {
        let to = corners[(n + 1) % corners.len()] + wobble(&mut random, offset);
        let inset = inset(from, to, roundness);
        let begin = from + inset;
        start.get_or_insert(begin);
        // Each rounded corner ends where the next side begins.
        path.command(if n == 0 { "M" } else { "" }, &[begin]);
        path.command("L", &[to - inset]).command("Q", &[to]);
        from = to;
    }
    if let Some(start) = start {
        path.command("", &[start]);
    }
    path
}

/// A line from point to point, drawn twice: once true, once a little off.
pub(super) fn twice(id: &str, points: &[V], width: f64) -> Path {
    let mut random = Random::new(id);
    let true_line = bent(points, width * 2.0);
    let off: Vec<V> = points
        .iter()
        .enumerate()
        .map(|(n, &point)| {
            if n == 0 {
                point
            } else {
                point + wobble(&mut random, width / 3.0)
            }
        })
        .collect();
    let mut path = true_line;
    path.append(&bent(&off, width * 2.0));
    path
}

fn bent(points: &[V], roundness: f64) -> Path {
    let mut path = Path::new();
    let Some((&first, rest)) = points.split_first() else {
        return path;
    };
    path.command("M", &[first]).command("L", &[]);
    let mut from = first;
    for (n, &to) in rest.iter().enumerate() {
        let inset = inset(from, to, roundness);
        path.command("", &[from + inset]);
        if n == rest.len() - 1 {
            path.command("L", &[to]);
        } else {
            path.command("L", &[to - inset]).command("Q", &[to]);
        }
        from = to;
    }
    path
}

fn inset(from: V, to: V, roundness: f64) -> V {
    let distance = from.distance(to);
    (to - from).unit() * (distance / 4.0).min(roundness)
}

fn wobble(random: &mut Random, offset: f64) -> V {
    let x = random.next_whole() * offset;
    v(x, random.next_whole() * offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_closes_on_its_beginning() {
        let square = [v(0.0, 0.0), v(40.0, 0.0), v(40.0, 40.0), v(0.0, 40.0)];
        let path = rounded("shape:a", &square, 0.0, 5.0, 1);
        assert_eq!(
            path.finish().unwrap(),
            "M5 0 L35 0 Q40 0 40 5 L40 35 Q40 40 35 40 L5 40 Q0 40 0 35 L0 5 Q0 0 5 0 "
        );
        assert!(rounded("a", &[], 1.0, 1.0, 2).is_empty());
        assert_eq!(
            twice("a", &square, 3.0)
                .finish()
                .unwrap()
                .matches('M')
                .count(),
            2
        );
    }
}
