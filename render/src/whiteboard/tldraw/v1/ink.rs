//! Strokes of varying width, as tldraw 1 draws them: the algorithm of the library
//! perfect-freehand 1.2, whose numbers (rates, steps of caps, thresholds) are kept.
//!
//! Input points are first pulled towards each other ("streamline"), then a radius is chosen for
//! each from real or simulated pressure, and an outline is laid around them.

use std::f64::consts::PI;

use super::super::vector::V;

/// How fast simulated pressure follows the speed of the pen.
const PRESSURE_RATE: f64 = 0.275;

/// perfect-freehand turns its caps a little too far, lest browsers leave a gap.
const HALF_TURN: f64 = PI + 0.0001;

/// How a stroke is drawn; the names are those of perfect-freehand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pen {
    pub(super) size: f64,
    pub(super) thinning: f64,
    pub(super) smoothing: f64,
    pub(super) streamline: f64,
    pub(super) easing: fn(f64) -> f64,
    pub(super) simulate_pressure: bool,
    pub(super) taper_start: f64,
    pub(super) taper_end: f64,
    /// Whether the stroke is complete.
    pub(super) last: bool,
}

impl Pen {
    pub(super) fn of_size(size: f64) -> Pen {
        Pen {
            size,
            thinning: 0.5,
            smoothing: 0.5,
            streamline: 0.5,
            easing: |t| t,
            simulate_pressure: true,
            taper_start: 0.0,
            taper_end: 0.0,
            last: false,
        }
    }

    fn radius(&self, pressure: f64) -> f64 {
        self.size * (self.easing)(0.5 - self.thinning * (0.5 - pressure))
    }

    /// Pressure guessed from how far the pen moved: slow is heavy.
    fn simulated(&self, before: f64, distance: f64) -> f64 {
        let speed = (distance / self.size).min(1.0);
        let wanted = (1.0 - speed).min(1.0);
        (before + (wanted - before) * (speed * PRESSURE_RATE)).min(1.0)
    }
}

/// An input point and how hard the pen was pressed there, when it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Touch {
    pub(super) at: V,
    pub(super) pressure: Option<f64>,
}

impl Touch {
    pub(super) fn new(at: V, pressure: f64) -> Touch {
        Touch {
            at,
            pressure: Some(pressure).filter(|&p| p >= 0.0),
        }
    }

    pub(super) fn unpressed(at: V) -> Touch {
        Touch { at, pressure: None }
    }
}

/// A point of the streamlined stroke.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) point: V,
    pressure: f64,
    /// Back to the point before, of length 1.
    vector: V,
    distance: f64,
    running: f64,
}

/// The streamlined points of a stroke.
pub(super) fn steps(touches: &[Touch], pen: &Pen) -> Vec<Step> {
    let expanded;
    let touches = match *touches {
        [] => return Vec::new(),
        [only] => {
            let beside = Touch {
                at: only.at + V { x: 1.0, y: 1.0 },
                ..only
            };
            expanded = vec![only, beside];
            &expanded
        }
        [first, last] => {
            expanded = std::iter::once(first)
                .chain([0.25, 0.5, 0.75, 1.0].map(|t| Touch::unpressed(first.at.lerp(last.at, t))))
                .collect();
            &expanded
        }
        _ => touches,
    };
    let pull = 0.15 + (1.0 - pen.streamline) * 0.85;
    let last = touches.len() - 1;
    let mut steps = vec![Step {
        point: touches[0].at,
        pressure: touches[0].pressure.unwrap_or(0.25),
        vector: V { x: 1.0, y: 1.0 },
        distance: 0.0,
        running: 0.0,
    }];
    let mut previous = steps[0].point;
    let mut running = 0.0;
    let mut long_enough = false;
    for (n, touch) in touches.iter().enumerate().skip(1) {
        let point = if pen.last && n == last {
            touch.at
        } else {
            previous.lerp(touch.at, pull)
        };
        if point == previous {
            continue;
        }
        let distance = point.distance(previous);
        running += distance;
        // The first movements are noise until the pen has gone as far as it is wide.
        if n < last && !long_enough {
            if running < pen.size {
                continue;
            }
            long_enough = true;
        }
        steps.push(Step {
            point,
            pressure: touch.pressure.unwrap_or(0.5),
            vector: (previous - point).unit(),
            distance,
            running,
        });
        previous = point;
    }
    steps[0].vector = steps.get(1).map_or(V::default(), |step| step.vector);
    steps
}

/// The outline around the streamlined points of a stroke.
pub(super) fn outline(steps: &[Step], pen: &Pen) -> Vec<V> {
    let (Some(first), Some(last)) = (steps.first(), steps.last()) else {
        return Vec::new();
    };
    if pen.size <= 0.0 {
        return Vec::new();
    }
    let total = last.running;
    let min_distance = (pen.size * pen.smoothing).powi(2);
    let (mut left, mut right): (Vec<V>, Vec<V>) = (Vec::new(), Vec::new());

    // A line nearly always starts slowly; its first points would be too fat otherwise.
    let mut before = steps.iter().take(10).fold(first.pressure, |sum, step| {
        let pressure = if pen.simulate_pressure {
            pen.simulated(sum, step.distance)
        } else {
            step.pressure
        };
        (sum + pressure) / 2.0
    });
    let mut radius = pen.radius(last.pressure);
    let mut first_radius = None;
    let mut vector_before = first.vector;
    let (mut last_left, mut last_right) = (first.point, first.point);
    let mut after_corner = false;

    for (n, step) in steps.iter().enumerate() {
        let is_last = n == steps.len() - 1;
        if !is_last && total - step.running < 3.0 {
            continue;
        }
        let mut pressure = step.pressure;
        if pen.thinning == 0.0 {
            radius = pen.size / 2.0;
        } else {
            if pen.simulate_pressure {
                pressure = pen.simulated(before, step.distance);
            }
            radius = pen.radius(pressure);
        }
        first_radius.get_or_insert(radius);
        let from_start = step.running / pen.taper_start;
        let from_end = (total - step.running) / pen.taper_end;
        let at_start = if from_start < 1.0 {
            from_start * (2.0 - from_start)
        } else {
            1.0
        };
        let at_end = if from_end < 1.0 {
            (from_end - 1.0).powi(3) + 1.0
        } else {
            1.0
        };
        radius = (radius * at_start.min(at_end)).max(0.01);

        let next_vector = steps.get(n + 1).unwrap_or(step).vector;
        let towards_next = if is_last {
            1.0
        } else {
            step.vector.dot(next_vector)
        };
        let corner_here = step.vector.dot(vector_before) < 0.0 && !after_corner;
        let corner_next = towards_next < 0.0;
        if corner_here || corner_next {
            let offset = vector_before.perpendicular() * radius;
            for turn in fractions(13, true) {
                last_left = (step.point - offset).rotated_about(step.point, HALF_TURN * turn);
                left.push(last_left);
                last_right = (step.point + offset).rotated_about(step.point, -HALF_TURN * turn);
                right.push(last_right);
            }
            if corner_next {
                after_corner = true;
            }
            continue;
        }
        after_corner = false;
        if is_last {
            let offset = step.vector.perpendicular() * radius;
            left.push(step.point - offset);
            right.push(step.point + offset);
            continue;
        }
        let offset = next_vector.lerp(step.vector, towards_next).perpendicular() * radius;
        let (l, r) = (step.point - offset, step.point + offset);
        if n <= 1 || (last_left - l).dot(last_left - l) > min_distance {
            left.push(l);
            last_left = l;
        }
        if n <= 1 || (last_right - r).dot(last_right - r) > min_distance {
            right.push(r);
            last_right = r;
        }
        before = pressure;
        vector_before = step.vector;
    }

    let tapered = (pen.taper_start > 0.0, pen.taper_end > 0.0);
    if steps.len() == 1 {
        if tapered == (false, false) || pen.last {
            let start =
                first.point + V { x: -1.0, y: 1.0 }.unit() * -first_radius.unwrap_or(radius);
            return fractions(13, false)
                .map(|turn| start.rotated_about(first.point, HALF_TURN * 2.0 * turn))
                .collect();
        }
        return left.into_iter().chain(right.into_iter().rev()).collect();
    }
    let mut outline = left;
    let direction = (-last.vector).perpendicular();
    if tapered.1 {
        outline.push(last.point);
    } else {
        let start = last.point + direction * radius;
        outline.extend(
            (1..29).map(|n| start.rotated_about(last.point, HALF_TURN * 3.0 * f64::from(n) / 29.0)),
        );
    }
    let corner = right.first().copied();
    outline.extend(right.into_iter().rev());
    if let (Some(corner), false) = (corner, tapered.0) {
        outline.extend(
            fractions(13, false).map(|turn| corner.rotated_about(first.point, HALF_TURN * turn)),
        );
    }
    outline
}

/// `1/n, 2/n …` as JavaScript sums them up: whether the last, 1, is reached hangs on rounding.
fn fractions(n: u32, from_zero: bool) -> impl Iterator<Item = f64> {
    let step = 1.0 / f64::from(n);
    let first = if from_zero { 0.0 } else { step };
    std::iter::successors(Some(first), move |t| Some(t + step)).take_while(|&t| t <= 1.0)
}

/// Outline of a stroke straight from its input.
pub(super) fn stroke(touches: &[Touch], pen: &Pen) -> Vec<V> {
    outline(&steps(touches, pen), pen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whiteboard::tldraw::vector::{bounds, v};

    #[test]
    fn an_outline_surrounds_the_stroke_by_its_width() {
        let touches: Vec<Touch> = (0..40)
            .map(|n| Touch::new(v(f64::from(n) * 5.0, 0.0), 0.5))
            .collect();
        let pen = Pen {
            last: true,
            simulate_pressure: false,
            ..Pen::of_size(10.0)
        };
        let [left, top, right, bottom] = bounds(stroke(&touches, &pen)).unwrap();
        assert!((-5.1..=-4.0).contains(&left) && (199.0..=200.1).contains(&right));
        assert!(
            (top + 5.0).abs() < 0.3 && (bottom - 5.0).abs() < 0.3,
            "{top} {bottom}"
        );
    }

    #[test]
    fn short_input_gives_no_panic() {
        let pen = Pen::of_size(4.0);
        assert!(stroke(&[], &pen).is_empty());
        stroke(&[Touch::default()], &pen);
        stroke(&[Touch::default(); 2], &pen);
        stroke(&[Touch::default(); 5], &pen);
    }
}
