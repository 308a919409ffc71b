//! Strokes of varying width, as tldraw 2 draws them (its `freehand` folder): a descendant of
//! perfect-freehand with other corners, caps drawn as arcs, and strokes split at sharp elbows.

use std::f64::consts::PI;

use super::super::path::Path;
use super::super::vector::{V, short_turn};

const PRESSURE_RATE: f64 = 0.275;
const HALF_TURN: f64 = PI + 0.0001;

/// How a stroke is drawn; the names are tldraw's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pen {
    pub(super) size: f64,
    pub(super) thinning: f64,
    pub(super) smoothing: f64,
    pub(super) streamline: f64,
    pub(super) easing: fn(f64) -> f64,
    pub(super) simulate_pressure: bool,
    /// Whether the stroke is complete.
    pub(super) last: bool,
}

/// An input point; `z` is the pressure.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Touch {
    pub(super) at: V,
    pub(super) z: f64,
}

/// A point of the streamlined stroke.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) point: V,
    input: V,
    pressure: f64,
    vector: V,
    distance: f64,
    running: f64,
    radius: f64,
}

/// The streamlined points of a stroke, without radii.
pub(super) fn steps(input: &[Touch], pen: &Pen) -> Vec<Step> {
    let Some(&very_first) = input.first() else {
        return Vec::new();
    };
    let mut touches = input;
    if !pen.simulate_pressure {
        while let [first, rest @ ..] = touches
            && first.z < 0.025
        {
            touches = rest;
        }
        while let [rest @ .., last] = touches
            && last.z < 0.01
        {
            touches = rest;
        }
    }
    let start = |at: V, pressure: f64| Step {
        point: at,
        input: at,
        pressure,
        vector: V { x: 1.0, y: 1.0 },
        distance: 0.0,
        running: 0.0,
        radius: 1.0,
    };
    let Some((&(mut first), mut rest)) = touches.split_first() else {
        return vec![start(
            very_first.at,
            if pen.simulate_pressure { 0.5 } else { 0.15 },
        )];
    };
    let near = pen.size / 3.0;
    while let [next, further @ ..] = rest
        && next.at.distance(first.at) <= near
    {
        first.z = first.z.max(next.z);
        rest = further;
    }
    let mut removed_near_end = false;
    let mut points = vec![first];
    if let Some((&last, mut middle)) = rest.split_last() {
        while let [further @ .., before] = middle
            && before.at.distance(last.at) <= near
        {
            middle = further;
            removed_near_end = true;
        }
        // With nothing left between, the first point itself may be too near to the last; the
        // points that were stripped from the start were nearer to it still.
        if middle.is_empty() && first.at.distance(last.at) <= near {
            points.clear();
            removed_near_end = true;
        }
        points.extend_from_slice(middle);
        points.push(last);
    }
    let complete = pen.last
        || !pen.simulate_pressure
        || matches!(points[..], [.., a, b] if a.at.distance(b.at) < pen.size)
        || removed_near_end;
    if let ([a, b], true) = (&points[..], pen.simulate_pressure) {
        let (a, b) = (*a, *b);
        points = std::iter::once(a)
            .chain([0.25, 0.5, 0.75, 1.0].map(|t| Touch {
                at: a.at.lerp(b.at, t),
                z: b.z * t,
            }))
            .collect();
    }
    if let (Some(&last), true) = (points.last(), complete && pen.streamline > 0.0) {
        points.push(last);
    }

    let pull = 0.15 + (1.0 - pen.streamline) * 0.85;
    let pressure = |touch: Touch| if pen.simulate_pressure { 0.5 } else { touch.z };
    let mut steps = vec![start(points[0].at, pressure(points[0]))];
    let mut previous = points[0].at;
    let mut running = 0.0;
    for (n, &touch) in points.iter().enumerate().skip(1) {
        let point = if pen.last && n == points.len() - 1 {
            touch.at
        } else {
            touch.at.lerp(previous, 1.0 - pull)
        };
        if (point.x - previous.x).abs() < 0.0001 && (point.y - previous.y).abs() < 0.0001 {
            continue;
        }
        let distance = point.distance(previous);
        running += distance;
        if n < 4 && running < pen.size {
            continue;
        }
        steps.push(Step {
            point,
            input: touch.at,
            pressure: pressure(touch),
            vector: (previous - point).unit(),
            distance,
            running,
            radius: 1.0,
        });
        previous = point;
    }
    if let Some(second) = steps.get(1).map(|step| step.vector) {
        steps[0].vector = second;
    }
    if running < 1.0 {
        let heaviest = steps.iter().map(|step| step.pressure).fold(0.5, f64::max);
        for step in &mut steps {
            step.pressure = heaviest;
        }
    }
    steps
}

/// Chooses the radius at each point.
pub(super) fn set_radii(steps: &mut [Step], pen: &Pen) {
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
        return;
    };
    let radius = |pressure: f64| pen.size * (pen.easing)(0.5 - pen.thinning * (0.5 - pressure));
    if !pen.simulate_pressure && last.running < pen.size {
        let heaviest = steps.iter().map(|step| step.pressure).fold(0.5, f64::max);
        for step in steps {
            step.pressure = heaviest;
            step.radius = radius(heaviest);
        }
        return;
    }
    let follow = |before: f64, wanted: f64, speed: f64| {
        (before + (wanted - before) * (speed * PRESSURE_RATE)).min(1.0)
    };
    let mut before = first.pressure;
    for step in steps
        .iter()
        .take_while(|step| step.running <= pen.size * 5.0)
    {
        let speed = (step.distance / pen.size).min(1.0);
        let pressure = if pen.simulate_pressure {
            follow(before, (1.0 - speed).min(1.0), speed)
        } else {
            (before + (step.pressure - before) * 0.5).min(1.0)
        };
        before += (pressure - before) * 0.5;
    }
    for step in steps {
        if pen.thinning == 0.0 {
            step.radius = pen.size / 2.0;
            continue;
        }
        let speed = (step.distance / pen.size).min(1.0);
        let wanted = if pen.simulate_pressure {
            (1.0 - speed).min(1.0)
        } else {
            step.pressure
        };
        let pressure = follow(before, wanted, speed);
        step.radius = radius(pressure);
        before = pressure;
    }
}

/// The two sides of a stroke.
fn tracks(steps: &[Step], pen: &Pen) -> (Vec<V>, Vec<V>) {
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
        return Default::default();
    };
    let total = last.running;
    let min_distance = (pen.size * pen.smoothing).powi(2);
    let (mut left, mut right): (Vec<V>, Vec<V>) = (Vec::new(), Vec::new());
    let mut vector_before = first.vector;
    let (mut last_left, mut last_right) = (first.point, first.point);
    let mut after_corner = false;
    for (n, step) in steps.iter().enumerate() {
        let is_last = n == steps.len() - 1;
        let next_vector = steps.get(n + 1).unwrap_or(step).vector;
        let towards_next = if is_last {
            1.0
        } else {
            next_vector.dot(step.vector)
        };
        let corner_here = step.vector.dot(vector_before) < 0.0 && !after_corner;
        let corner_next = towards_next < 0.2;
        if corner_here || corner_next {
            if towards_next > -0.62 && total - step.running > step.radius {
                let offset = vector_before * step.radius;
                let side = if vector_before.cross(next_vector) < 0.0 {
                    1.0
                } else {
                    -1.0
                };
                last_left = step.point + offset * side;
                last_right = step.point - offset * side;
                left.push(last_left);
                right.push(last_right);
            } else {
                let start = step.input - (vector_before * step.radius).perpendicular();
                for turn in thirteenths() {
                    let turn = HALF_TURN * turn;
                    last_left = start.rotated_about(step.input, turn);
                    left.push(last_left);
                    last_right = start.rotated_about(step.input, HALF_TURN - turn);
                    right.push(last_right);
                }
            }
            if corner_next {
                after_corner = true;
            }
            continue;
        }
        after_corner = false;
        if n == 0 || is_last {
            let offset = step.vector.perpendicular() * step.radius;
            left.push(step.point - offset);
            right.push(step.point + offset);
            continue;
        }
        let offset = next_vector.lerp(step.vector, towards_next).perpendicular() * step.radius;
        let (l, r) = (step.point - offset, step.point + offset);
        if n <= 1 || (last_left - l).dot(last_left - l) > min_distance {
            left.push(l);
            last_left = l;
        }
        if n <= 1 || (last_right - r).dot(last_right - r) > min_distance {
            right.push(r);
            last_right = r;
        }
        vector_before = step.vector;
    }
    (left, right)
}

/// From 0 to below 1 as JavaScript sums it up: rounding makes one more step of it.
fn thirteenths() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(0.0), |t| Some(t + 1.0 / 13.0)).take_while(|&t| t < 1.0)
}

/// The filled outline of a stroke, in as many pieces as it has elbows.
pub(super) fn ink(input: &[Touch], pen: &Pen) -> Path {
    let mut steps = steps(input, pen);
    set_radii(&mut steps, pen);
    let mut path = Path::new();
    for part in parts(&steps) {
        piece(&mut path, &part, pen);
    }
    path
}

/// One closed outline through the middles of its points, for curved lines.
pub(super) fn outline(input: &[Touch], pen: &Pen) -> Vec<V> {
    let mut steps = steps(input, pen);
    set_radii(&mut steps, pen);
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
        return Vec::new();
    };
    if steps.len() == 1 {
        let start = first.point + V { x: -1.0, y: 1.0 }.unit() * -first.radius;
        return (1..=13)
            .map(|n| start.rotated_about(first.point, HALF_TURN * 2.0 * f64::from(n) / 13.0))
            .collect();
    }
    let (left, right) = tracks(&steps, pen);
    let mut outline = left;
    let start = last.point - last.vector.perpendicular() * last.radius;
    outline.extend(
        (1..29).map(|n| start.rotated_about(last.point, HALF_TURN * 3.0 * f64::from(n) / 29.0)),
    );
    let corner = right.first().copied().unwrap_or_default();
    outline.extend(right.into_iter().rev());
    outline
        .extend((1..=8).map(|n| corner.rotated_about(first.point, HALF_TURN * f64::from(n) / 8.0)));
    outline
}

/// Splits a stroke where it turns back on itself.
fn parts(steps: &[Step]) -> Vec<Vec<Step>> {
    if steps.len() <= 2 {
        return vec![steps.to_vec()];
    }
    let mut parts = Vec::new();
    let mut current = vec![steps[0]];
    for window in steps.windows(3) {
        let [before, here, after] = [window[0], window[1], window[2]];
        let turn = short_turn(
            before.point.angle_to(here.point),
            here.point.angle_to(after.point),
        );
        let acuteness = turn.abs() / PI;
        if acuteness > 0.8 {
            // The pen's own position is further out than the streamlined point: swings keep
            // their tips.
            let elbow = Step {
                point: here.input,
                ..here
            };
            current.push(elbow);
            parts.push(tidied(std::mem::replace(&mut current, vec![elbow])));
            continue;
        }
        current.push(here);
        if acuteness < 0.25 {
            continue;
        }
        let radius = (before.radius + here.radius + after.radius) / 3.0;
        let reach = (before.point.distance(here.point) + here.point.distance(after.point)) / radius;
        if reach < 1.5 {
            current.push(here);
            parts.push(tidied(std::mem::replace(&mut current, vec![here])));
        }
    }
    current.push(steps[steps.len() - 1]);
    parts.push(tidied(current));
    parts
}

/// Drops points that are too near to the ends, and turns the ends to their neighbours.
fn tidied(part: Vec<Step>) -> Vec<Step> {
    let near = |a: &Step, b: &Step| a.point.distance(b.point) < (a.radius + b.radius) / 2.0 * 0.5;
    let mut from = 1;
    let mut to = part.len().saturating_sub(1);
    while to > from && near(&part[0], &part[from]) {
        from += 1;
    }
    let end = to;
    while to > from && near(&part[end], &part[to - 1]) {
        to -= 1;
    }
    let mut kept: Vec<Step> = part[..1]
        .iter()
        .chain(part.get(from..to).unwrap_or_default())
        .chain(part.get(end..).filter(|_| end > 0).unwrap_or_default())
        .copied()
        .collect();
    if let [.., before, last] = kept[..] {
        let n = kept.len() - 1;
        kept[0].vector = V::from_angle(kept[1].point.angle_to(kept[0].point));
        kept[n].vector = V::from_angle(last.point.angle_to(before.point));
    }
    kept
}

fn piece(path: &mut Path, steps: &[Step], pen: &Pen) {
    let (first, last) = match steps {
        [] => return,
        [only] => {
            path.circle(only.point, only.radius);
            return;
        }
        [first, .., last] => (first, last),
    };
    let (left, right) = tracks(steps, pen);
    let Some(&start) = left.first() else { return };
    path.command("M", &[start]).command("T", &[]);
    for pair in left.windows(2) {
        path.command("", &[pair[0].middle(pair[1])]);
    }
    let across = last.vector.perpendicular() * last.radius;
    path.command("", &[last.point - across]);
    path.arc(last.radius, false, true, last.point + across)
        .command("T", &[]);
    for pair in right.windows(2).rev() {
        path.command("", &[pair[0].middle(pair[1])]);
    }
    let across = first.vector.perpendicular() * first.radius;
    path.command("", &[first.point + across]);
    path.arc(first.radius, false, true, first.point - across)
        .close();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whiteboard::tldraw::vector::v;

    fn pen() -> Pen {
        Pen {
            size: 4.5,
            thinning: 0.5,
            smoothing: 0.62,
            streamline: 0.65,
            easing: |t| t,
            simulate_pressure: true,
            last: true,
        }
    }

    #[test]
    fn short_input_gives_no_panic() {
        for count in 0..6 {
            let touches = vec![
                Touch {
                    at: v(3.0, 3.0),
                    z: 0.5
                };
                count
            ];
            assert!(ink(&touches, &pen()).finish().is_ok());
            let pressed = Pen {
                simulate_pressure: false,
                ..pen()
            };
            assert!(ink(&touches, &pressed).finish().is_ok());
            outline(&touches, &pen());
        }
    }

    #[test]
    fn a_stroke_that_turns_back_is_drawn_in_two_pieces() {
        let there = (0..20).map(|n| f64::from(n) * 8.0);
        let touches: Vec<Touch> = there
            .clone()
            .chain(there.rev())
            .enumerate()
            .map(|(n, x)| Touch {
                at: v(x, n as f64 * 0.01),
                z: 0.5,
            })
            .collect();
        let data = ink(&touches, &pen());
        assert_eq!(data.finish().unwrap().matches('M').count(), 2);
    }
}
