//! The course of arrows of tldraw 2 (`straight-arrow.ts`, `curved-arrow.ts`): from end to end, or
//! from edge to edge of the shapes they are bound to.

use std::f64::consts::{PI, TAU};

use serde_json::Value;

use super::super::super::Skipped;
use super::super::json::{number_or, text, xy};
use super::super::vector::{V, circle_center, clockwise_turn, v};
use super::bound::{Relation, Target, circle_crossings, line_crossings, relation};
use super::space::Space;
use super::style::Size;
use crate::fonts::Fonts;

/// An arrow keeps this far from the edge of what it is bound to, when it has a head there.
const GAP: f64 = 10.0;

/// What is shorter counts as too short.
const MIN_LENGTH: f64 = 10.0;

/// The course of an arrow, in its own space.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Course {
    pub(super) start: V,
    pub(super) end: V,
    /// Where a label goes.
    pub(super) middle: V,
    /// Of a bent one.
    pub(super) bend: Option<Bend>,
}

/// The circle a bent arrow runs on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bend {
    pub(super) center: V,
    pub(super) radius: f64,
    pub(super) length: f64,
    pub(super) large: bool,
    pub(super) clockwise: bool,
    /// The circle through the handles, which heads are laid on.
    pub(super) handle_center: V,
    pub(super) handle_radius: f64,
    pub(super) handle_clockwise: bool,
}

/// What arrows' heads and ends are.
struct Ends {
    start: V,
    end: V,
    targets: [Option<Target>; 2],
    headed: [bool; 2],
    relation: Relation,
    space: Space,
    half_width: f64,
}

/// The course of an arrow.
///
/// # Errors
/// When its ends are no points.
pub(super) fn course(
    props: &Value,
    space: Space,
    others: &[&Value],
    fonts: &Fonts,
) -> Result<Option<Course>, Skipped> {
    let target = |key: &str| Target::of(props.get(key).unwrap_or(&Value::Null), others, fonts);
    let targets = [target("start"), target("end")];
    let relation = relation(targets[0].as_ref(), targets[1].as_ref());
    let terminal = |n: usize, key: &str| -> Result<V, Skipped> {
        if let Some(target) = &targets[n] {
            let containing = [Relation::StartContainsEnd, Relation::EndContainsStart][n];
            let force = relation == Relation::SameShape || relation == containing;
            return Ok(space.local(target.aim(force)));
        }
        let end = props.get(key).unwrap_or(&Value::Null);
        if text(end, "type") == "binding" {
            // What it was bound to is gone.
            return Ok(xy(Some(end)).unwrap_or_default());
        }
        xy(Some(end)).ok_or_else(|| Skipped::because("its ends are no points, or beyond any slide"))
    };
    let (start, end) = (terminal(0, "start")?, terminal(1, "end")?);
    let headed = ["arrowheadStart", "arrowheadEnd"].map(|key| text(props, key) != "none");
    let half_width = Size::of(props).stroke() / 2.0;
    let ends = Ends {
        start,
        end,
        targets,
        headed,
        relation,
        space,
        half_width,
    };
    let bend = number_or(props, "bend", 0.0)?;
    if start.distance(end) < 1e-4 {
        return Ok(None);
    }
    // A slight bend snaps to none.
    if bend.abs() < 8.0 {
        return Ok(ends.straight());
    }
    Ok(ends
        .bent(bend)
        .or_else(|| ends.straight())
        .filter(|course| {
            course
                .bend
                .is_none_or(|bend| bend.length != 0.0 && bend.center.length().is_finite())
        }))
}

impl Ends {
    fn offset(&self, n: usize) -> f64 {
        let margin = self.targets[n].as_ref().map_or(0.0, |target| target.margin);
        GAP + self.half_width + margin
    }

    fn both_inexact(&self) -> bool {
        self.targets
            .iter()
            .all(|target| target.as_ref().is_some_and(|t| !t.exact))
    }

    fn straight(&self) -> Option<Course> {
        let (mut a, mut b) = (self.start, self.end);
        let aimed = (b - a).unit();
        let mut met = [false, false];
        for (n, opposite) in [(1, self.start), (0, self.end)] {
            let point = if n == 1 { &mut b } else { &mut a };
            if let Some(target) = self.targets[n].as_ref().filter(|target| !target.exact) {
                let here = |p: V| target.space.local(self.space.to_page(p));
                let (from, to) = (here(opposite), here(*point));
                let mut crossings = line_crossings(from, to, &target.outline, target.closed);
                crossings.sort_by(|p, q| p.distance(from).total_cmp(&q.distance(from)));
                if let Some(&crossing) = crossings.first() {
                    *point = self.space.local(target.space.to_page(crossing));
                    met[n] = true;
                }
            }
        }
        let same = self.relation == Relation::SameShape;
        if self.relation == Relation::Safe && self.both_inexact() {
            let closed = |n: usize| self.targets[n].as_ref().is_some_and(|t| t.closed);
            if met[1] && !met[0] {
                if closed(0) {
                    a = b + aimed * MIN_LENGTH;
                }
            } else if !met[1] && closed(1) {
                b = a - aimed * MIN_LENGTH;
            }
        }
        let u = (b - a).unit();
        let flipped = u.distance(aimed) > 1e-3;
        let containing = [Relation::StartContainsEnd, Relation::EndContainsStart];
        let mut offsets = [0.0, 0.0];
        let mut min_length = MIN_LENGTH;
        for n in 0..2 {
            let inexact = self.targets[n].as_ref().is_some_and(|target| !target.exact);
            if !same && self.relation != containing[n] && inexact && self.headed[n] {
                offsets[n] = self.offset(n);
                min_length += offsets[n] - GAP;
            }
        }
        let way = if flipped { -1.0 } else { 1.0 };
        let shortened = (a + u * (offsets[0] * way)).distance(b - u * (offsets[1] * way));
        if shortened < min_length {
            let stretch = if offsets[0] != 0.0 && offsets[1] != 0.0 {
                -1.5
            } else {
                -1.0
            };
            offsets = offsets.map(|offset| offset * stretch);
        }
        a = a + u * (offsets[0] * way);
        b = b - u * (offsets[1] * way);
        let middle = if flipped {
            if self.targets.iter().all(Option::is_some) {
                b = a - u * MIN_LENGTH;
            }
            self.start.middle(self.end)
        } else {
            a.middle(b)
        };
        (a.distance(b) > 0.0).then_some(Course {
            start: a,
            end: b,
            middle,
            bend: None,
        })
    }

    fn bent(&self, bend: f64) -> Option<Course> {
        let (start, end) = (self.start, self.end);
        let u = (end - start).unit();
        let top = start.middle(end) + u.perpendicular() * -bend;
        let handle = Circle::through(start, end, top)?;
        let clockwise = bend < 0.0;
        let turn = |from: f64, to: f64| {
            let turn = clockwise_turn(from, to);
            if clockwise { turn } else { TAU - turn }
        };
        let center = handle.center;
        let angle = |p: V| center.angle_to(p);
        let handle_turn = turn(angle(start), angle(end));
        let (mut a, mut b) = (start, end);
        let mut offsets = [0.0, 0.0];
        let mut min_length = MIN_LENGTH;
        let mut met = [false, false];
        for n in 0..2 {
            let Some(target) = self.targets[n].as_ref().filter(|target| !target.exact) else {
                continue;
            };
            let here = |p: V| target.space.local(self.space.to_page(p));
            let (from, to, middle) = (here(a), here(b), here(center));
            let first = middle.angle_to(from);
            let all = turn(first, middle.angle_to(to));
            let along = |p: V| turn(first, middle.angle_to(p));
            let mut crossings =
                circle_crossings(middle, handle.radius, &target.outline, target.closed);
            crossings.retain(|&p| along(p) <= all);
            // Of several, the one at the end's own quarter of the way.
            let wanted = if target.closed {
                all * [0.25, 0.75][n]
            } else {
                0.0
            };
            crossings.sort_by(|&p, &q| {
                (along(p) - wanted)
                    .abs()
                    .total_cmp(&(along(q) - wanted).abs())
            });
            let point = match crossings.first() {
                Some(&crossing) => crossing,
                None if target.closed => continue,
                None => here([a, b][n]),
            };
            let point = self.space.local(target.space.to_page(point));
            if n == 0 {
                a = point
            } else {
                b = point
            }
            met[n] = true;
            if self.headed[n] {
                offsets[n] = self.offset(n);
                min_length += offsets[n] - GAP;
            }
        }

        let sign = if clockwise { 1.0 } else { -1.0 };
        let shifted = |p: V, offset: f64, sign: f64| {
            center + V::from_angle(angle(p) + offset / handle.radius * sign) * handle.radius
        };
        let moved = |offsets: [f64; 2]| {
            let a = if offsets[0] == 0.0 {
                a
            } else {
                shifted(a, offsets[0], sign)
            };
            let b = if offsets[1] == 0.0 {
                b
            } else {
                shifted(b, offsets[1], -sign)
            };
            (a, b)
        };
        let (near, far) = moved(offsets);
        if near.distance(far) < min_length {
            let stretch = if offsets[0] != 0.0 && offsets[1] != 0.0 {
                -1.5
            } else {
                -2.0
            };
            offsets = offsets.map(|offset| offset * stretch);
        }
        let (mut a, mut b) = moved(offsets);

        if self.both_inexact() {
            let turned = turn(angle(a), angle(b));
            let length = turned * handle.radius;
            if self.relation == Relation::SameShape && length < 30.0 {
                (a, b) = (start, end);
            } else if self.relation == Relation::Safe {
                if !met[0] {
                    a = start;
                }
                let first = angle(start);
                if !met[1] || turn(first, angle(a)) > turn(first, angle(b)) {
                    let part = (MIN_LENGTH / length).min(0.9) * sign;
                    b = center + V::from_angle(angle(a) + turned * part) * handle.radius;
                }
            }
        }

        // The middle of what is left; ends that have passed each other change places.
        let turned = turn(angle(a), angle(b));
        let mut c = center + V::from_angle(angle(a) + turned * 0.5 * sign) * handle.radius;
        if turned > handle_turn + 1e-9 {
            c = c.rotated_about(center, PI);
            std::mem::swap(&mut a, &mut b);
        }
        if a.distance(b) < 1e-4 {
            (a, b) = (c + v(1.0, 1.0), c - v(1.0, 1.0));
        }
        let body = Circle::through(a, b, c)?;
        Some(Course {
            start: a,
            end: b,
            middle: c,
            bend: Some(Bend {
                center: body.center,
                radius: body.radius,
                length: body.length,
                large: body.large,
                clockwise: body.clockwise,
                handle_center: handle.center,
                handle_radius: handle.radius,
                handle_clockwise: handle.clockwise,
            }),
        })
    }
}

struct Circle {
    center: V,
    radius: f64,
    length: f64,
    large: bool,
    clockwise: bool,
}

impl Circle {
    /// The arc from `a` to `b` by way of `c`.
    fn through(a: V, b: V, c: V) -> Option<Circle> {
        let center = circle_center(a, b, c)?;
        let radius = center.distance(a);
        let clockwise = (b - a).cross(c - a) < 0.0;
        let (ab, bc, ca) = (a.distance(b), b.distance(c), c.distance(a));
        // Twice the angle at `c`; what is left of the circle is the arc.
        let theta =
            (((bc * bc + ca * ca - ab * ab) / (2.0 * bc * ca)).clamp(-1.0, 1.0)).acos() * 2.0;
        let length = (TAU - theta) * radius;
        let sane = radius.is_finite() && length.is_finite() && length > 0.0 && radius < 1e6;
        sane.then_some(Circle {
            center,
            radius,
            length,
            large: PI > theta,
            clockwise,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn course_of(props: &Value, others: &[&Value]) -> Course {
        course(props, Space::default(), others, &Fonts::system())
            .unwrap()
            .unwrap()
    }

    #[test]
    fn an_unbound_arrow_runs_from_end_to_end() {
        let props = json!({"start": {"type": "point", "x": 0, "y": 0},
            "end": {"type": "point", "x": 200, "y": 0}, "bend": 0,
            "arrowheadStart": "none", "arrowheadEnd": "arrow"});
        let course = course_of(&props, &[]);
        assert_eq!((course.start, course.end), (v(0.0, 0.0), v(200.0, 0.0)));
        assert!(course.bend.is_none());
    }

    #[test]
    fn a_bend_goes_through_its_handle() {
        for bend in [40.0, -40.0, 300.0] {
            let props = json!({"start": {"type": "point", "x": 0, "y": 0},
                "end": {"type": "point", "x": 200, "y": 0}, "bend": bend,
                "arrowheadStart": "none", "arrowheadEnd": "arrow"});
            let course = course_of(&props, &[]);
            assert!(course.middle.distance(v(100.0, bend)) < 1e-6, "{course:?}");
            assert!(course.start.distance(v(0.0, 0.0)) < 1e-6);
            let arc = course.bend.unwrap();
            assert_eq!(arc.large, bend.abs() > 100.0);
            assert_eq!(arc.clockwise, bend < 0.0);
        }
    }

    #[test]
    fn a_bound_arrow_ends_short_of_the_edge() {
        let figure = json!({"id": "shape:r", "type": "geo", "x": 100, "y": -50,
            "props": {"geo": "rectangle", "w": 100, "h": 100, "size": "m", "text": ""}});
        let props = json!({"start": {"type": "point", "x": 0, "y": 0},
            "end": {"type": "binding", "boundShapeId": "shape:r", "isExact": false,
                "isPrecise": false, "normalizedAnchor": {"x": 0.5, "y": 0.5}}, "bend": 0,
            "arrowheadStart": "none", "arrowheadEnd": "arrow", "size": "m"});
        let course = course_of(&props, &[&figure]);
        assert!(course.end.distance(v(86.5, 0.0)) < 1e-6, "{course:?}");
    }
}
