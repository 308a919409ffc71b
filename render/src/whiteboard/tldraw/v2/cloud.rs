//! Clouds of tldraw 2 (`cloudOutline.ts`): bumps around a stadium, the outer ones moved a little by
//! the seed.

use std::f64::consts::{FRAC_PI_2, PI};

use super::super::path::Path;
use super::super::random::Random;
use super::super::vector::{V, circle_center, clockwise_turn, v};
use super::style::Size;

/// One bump.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arc {
    left: V,
    right: V,
    /// The bump's top.
    top: V,
    /// Of the circle it is a part of; none when it is flat.
    center: Option<V>,
    radius: f64,
}

/// Bumps at most, on however large a cloud.
const MOST_BUMPS: f64 = 1_000.0;

impl Arc {
    pub(super) fn length(&self) -> f64 {
        match self.center {
            Some(center) => {
                self.radius
                    * clockwise_turn(center.angle_to(self.left), center.angle_to(self.right))
            }
            None => self.left.distance(self.right),
        }
    }

    /// By itself, as it is dashed: never the long way round.
    pub(super) fn path(&self) -> Path {
        let mut path = Path::new();
        path.command("M", &[self.left]);
        match self.center {
            Some(_) => path.arc(self.radius, false, true, self.right),
            None => path.command("L", &[self.right]),
        };
        path
    }

    /// Ten points along it.
    pub(super) fn points(&self) -> Vec<V> {
        let Some(center) = self.center else {
            return vec![self.left, self.right];
        };
        let from = center.angle_to(self.left);
        let turn = clockwise_turn(from, center.angle_to(self.right));
        let point = |n| center + V::from_angle(from + turn * f64::from(n) / 9.0) * self.radius;
        (0..10).map(point).collect()
    }

    fn is_large(&self, center: V) -> bool {
        (self.right - self.left).cross(center - self.left) <= 0.0
    }
}

/// The bumps of a cloud that fills a box.
pub(super) fn arcs(id: &str, size: V, pen: Size) -> Vec<Arc> {
    let V {
        x: width,
        y: height,
    } = size;
    let around = circumference(width, height);
    let bump = match pen {
        Size::S => 50.0,
        Size::M => 70.0,
        Size::L => 100.0,
        Size::Xl => 130.0,
    };
    let count = (around / bump)
        .ceil()
        .max(6.0)
        .max((around / width.min(height)).ceil());
    let count = if count.is_finite() {
        count.min(MOST_BUMPS)
    } else {
        6.0
    };
    let reach = (around / count) * 0.2;
    let inner = v(
        (width - reach * 2.0).max(1.0),
        (height - reach * 2.0).max(1.0),
    );
    let padding = (size - inner) * 0.5;
    let spacing = circumference(inner.x, inner.y) / count;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let count = count as usize;
    let true_points: Vec<V> = along_stadium(inner, count, spacing)
        .into_iter()
        .map(|p| p + padding)
        .collect();

    let wiggle = v(
        if width < 20.0 { 0.0 } else { reach * 0.3 },
        if height < 20.0 { 0.0 } else { reach * 0.3 },
    );
    let mut points = true_points.clone();
    let mut random = Random::new(id);
    for n in 0..count / 2 {
        for m in [n, count - n - 1] {
            let x = random.next_whole() * wiggle.x;
            points[m] = points[m] + v(x, random.next_whole() * wiggle.y);
        }
    }
    (0..count)
        .map(|n| {
            let m = (n + 1) % count;
            let (left, right) = (points[n], points[m]);
            let (true_left, true_right) = (true_points[n], true_points[m]);
            let true_distance = true_left.distance(true_right);
            // On the round ends of the stadium a bump has to reach beyond the end's own curve.
            let curvature = spacing - true_distance;
            let relative = left.distance(right) / true_distance;
            let out = (padding.x.max(padding.y) + curvature) * relative;
            let direction = true_left.angle_to(true_right) - FRAC_PI_2;
            let top = true_left.middle(true_right) + V::from_angle(direction) * out;
            let top = v(
                top.x.clamp(0.0, width.max(0.0)),
                top.y.clamp(0.0, height.max(0.0)),
            );
            let center = circle_center(left, right, top);
            let radius = center.unwrap_or(left.middle(right)).distance(left);
            Arc {
                left,
                right,
                top,
                center,
                radius,
            }
        })
        .collect()
}

/// The outline of a solid cloud.
pub(super) fn plain(arcs: &[Arc]) -> Path {
    let mut path = Path::new();
    for (n, arc) in arcs.iter().enumerate() {
        if n == 0 {
            path.command("M", &[arc.left]);
        }
        match arc.center {
            Some(center) => path.arc(arc.radius, arc.is_large(center), true, arc.right),
            None => path.command("L", &[arc.right]),
        };
    }
    path.close();
    path
}

/// The outline of a cloud drawn by hand: twice, once true and once a little off.
pub(super) fn drawn(id: &str, arcs: &[Arc], pen: Size) -> Path {
    let reach = match pen {
        Size::S => 0.5,
        Size::M => 0.7,
        Size::L => 0.9,
        Size::Xl => 1.6,
    };
    let Some(first) = arcs.first() else {
        return Path::new();
    };
    #[allow(clippy::cast_precision_loss)]
    let average = arcs
        .iter()
        .map(|arc| arc.left.distance(arc.right))
        .sum::<f64>()
        / arcs.len() as f64;
    let off = average > reach * 15.0;
    let mut random = Random::new(id);
    let mut moved = |p: V| {
        if off {
            let x = p.x + random.next_whole() * reach * 2.0;
            v(x, p.y + random.next_whole() * reach * 2.0)
        } else {
            p
        }
    };
    let mut left = moved(first.left);
    let (mut a, mut b) = (Path::new(), Path::new());
    a.command("M", &[first.left]);
    b.command("M", &[left]);
    for arc in arcs {
        let Some(center) = arc.center else {
            a.command("L", &[arc.right]);
            left = moved(arc.right);
            b.command("L", &[left]);
            continue;
        };
        let large = arc.is_large(center);
        a.arc(arc.radius, large, true, arc.right);
        let right = moved(arc.right);
        let top = moved(arc.top);
        match circle_center(left, right, top) {
            Some(center) => b.arc(center.distance(left), large, true, right),
            None => b.command("L", &[right]),
        };
        left = right;
    }
    a.append(&b).close();
    a
}

/// How long the edge of a stadium is.
fn circumference(width: f64, height: f64) -> f64 {
    let radius = width.min(height) / 2.0;
    PI * (radius * 2.0) + 2.0 * (width.max(height) - radius * 2.0)
}

/// Points at even distances along the edge of a stadium, beginning where its upper (or right)
/// straight side does.
fn along_stadium(size: V, count: usize, spacing: f64) -> Vec<V> {
    let V {
        x: width,
        y: height,
    } = size;
    let radius = width.min(height) / 2.0;
    let straight = width.max(height) - radius * 2.0;
    let wide = width > height;
    let curve = PI * radius;
    let whole = 2.0 * (straight + curve);
    (0..count)
        .map(|n| {
            #[allow(clippy::cast_precision_loss)]
            let mut at = (n as f64 * spacing) % whole;
            for section in 0..4 {
                let length = if section % 2 == 0 { straight } else { curve };
                if at > length && section < 3 {
                    at -= length;
                    continue;
                }
                let angle = at / radius;
                return match (wide, section) {
                    (true, 0) => v(radius + at, 0.0),
                    (true, 1) => {
                        v(width - radius, radius) + V::from_angle(angle - FRAC_PI_2) * radius
                    }
                    (true, 2) => v(width - radius - at, height),
                    (true, _) => v(radius, radius) + V::from_angle(angle + FRAC_PI_2) * radius,
                    (false, 0) => v(width, radius + at),
                    (false, 1) => v(radius, height - radius) + V::from_angle(angle) * radius,
                    (false, 2) => v(0.0, height - radius - at),
                    (false, _) => v(radius, radius) + V::from_angle(angle + PI) * radius,
                };
            }
            V::default()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clouds_of_any_size_are_drawn() {
        for (w, h) in [
            (300.0, 160.0),
            (160.0, 300.0),
            (1.0, 1.0),
            (5000.0, 2.0),
            (20.0, 20.0),
        ] {
            let arcs = arcs("shape:cloud", v(w, h), Size::M);
            assert!((6..=1000).contains(&arcs.len()), "{w} {h}: {}", arcs.len());
            assert!(plain(&arcs).finish().is_ok(), "{w} {h}");
            assert!(drawn("shape:cloud", &arcs, Size::M).finish().is_ok());
            assert!(arcs.iter().all(|arc| arc.length().is_finite()));
        }
    }
}
