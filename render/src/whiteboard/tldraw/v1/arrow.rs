//! Arrows of tldraw 1 (`ArrowUtil`): straight or bent through three points. A line is an arrow
//! without heads.

use std::f64::consts::{FRAC_PI_6, PI};
use std::fmt::Write as _;

use serde_json::Value;

use super::super::super::Skipped;
use super::super::dash::{Dash, Pattern, fitted_v1};
use super::super::json::{number_or, pair, text};
use super::super::path::{Path, through_middles};
use super::super::random::Random;
use super::super::vector::{V, bounds, circle_center, meeting_points, short_turn, v};
use super::ink::{self, Pen, Touch};
use super::shapes::{label, label_size};
use super::style::Style;
use crate::fonts::Fonts;

/// What an arrow consists of.
pub(super) struct Arrow {
    start: V,
    end: V,
    middle: V,
    bend: f64,
    heads: [bool; 2],
    /// The circle that a bent one is a part of.
    circle: Option<Circle>,
}

#[derive(Clone, Copy)]
struct Circle {
    center: V,
    radius: f64,
    /// From start to end along the circle; negative against the clock.
    length: f64,
}

impl Arrow {
    pub(super) fn of(shape: &Value) -> Result<Arrow, Skipped> {
        let handle = |name: &str| {
            let handle = shape.get("handles").and_then(|handles| handles.get(name));
            pair(handle.and_then(|handle| handle.get("point")))
        };
        let (Some(start), Some(end)) = (handle("start"), handle("end")) else {
            return Err(Skipped::because(
                "its ends are no points, or beyond any slide",
            ));
        };
        let middle = handle("bend").unwrap_or_else(|| start.middle(end));
        let head = |name: &str| {
            shape
                .get("decorations")
                .and_then(|d| d.get(name))
                .and_then(Value::as_str)
                .is_some_and(|kind| !kind.is_empty())
        };
        let straight = middle.distance(start.middle(end).to_hundredths()) < 1.0;
        let circle = circle_center(start, end, middle)
            .filter(|_| !straight)
            .map(|center| {
                let radius = center.distance(start);
                let turn = short_turn(center.angle_to(start), center.angle_to(end));
                Circle {
                    center,
                    radius,
                    length: radius * turn,
                }
            });
        Ok(Arrow {
            start,
            end,
            middle,
            bend: number_or(shape, "bend", 0.0)?,
            heads: [head("start"), head("end")],
            circle,
        })
    }

    /// The box tldraw takes the arrow to have: around twenty points of a bent one.
    pub(super) fn bounds(&self) -> [f64; 4] {
        let ends = [self.start, self.end];
        match self.circle {
            Some(Circle { center, radius, .. })
                if (self.middle - self.start.middle(self.end)).length() > 2.0 =>
            {
                let from = center.angle_to(self.start);
                let turn = short_turn(from, center.angle_to(self.end));
                let arc = (0..20)
                    .map(|n| center + V::from_angle(from + turn * f64::from(n) / 19.0) * radius);
                bounds(arc)
            }
            _ => bounds(ends),
        }
        .unwrap_or_default()
    }

    /// Draws it, with its label and the gap around that.
    pub(super) fn draw(
        &self,
        svg: &mut String,
        shape: &Value,
        size: V,
        style: &Style,
        fonts: &Fonts,
    ) -> Result<(), Skipped> {
        let caption = text(shape, "label");
        let captioned = !caption.trim().is_empty();
        let letters = style.lettering(fonts);
        let label_size = if captioned {
            label_size(caption, &letters)
        } else {
            [0.0, 0.0]
        };
        let length = self
            .circle
            .map_or(self.start.distance(self.end), |c| c.length.abs());
        let scale = (length / (label_size[1] + 128.0))
            .max(length / (label_size[0] + 128.0))
            .clamp(0.5, 1.0);
        let box_middle = size * 0.5;
        let offset = self.middle - box_middle.to_hundredths();

        if captioned {
            let (w, h) = (label_size[0] * scale, label_size[1] * scale);
            let corner = box_middle + offset - v(w, h) * 0.5;
            let _ = write!(
                svg,
                r#"<clipPath id="gap"><path clip-rule="evenodd" d="M-100 -100h{:.3}v{:.3}h{:.3}Z M{:.3} {:.3}h{w:.3}v{h:.3}h{:.3}Z"/></clipPath><g clip-path="url(#gap)">"#,
                size.x + 200.0,
                size.y + 200.0,
                -size.x - 200.0,
                corner.x,
                corner.y,
                -w
            );
        }
        self.line(svg, text(shape, "id"), style)?;
        if captioned {
            svg.push_str("</g>");
            // The label's own box hangs on the container, whose size is in whole units.
            let middle = v(size.x.floor(), size.y.floor()) * 0.5;
            label(
                svg,
                caption,
                letters,
                &style.stroke(),
                middle,
                offset,
                scale,
            )?;
        }
        Ok(())
    }

    fn line(&self, svg: &mut String, id: &str, style: &Style) -> Result<(), Skipped> {
        let distance = self.start.distance(self.end);
        if distance < 2.0 {
            return Ok(());
        }
        let stroke = style.stroke();
        let sw = 1.0 + style.stroke_width * 1.618;
        let drawn = style.dash == Dash::Draw;
        let (path, width) = match self.circle {
            None if drawn => (self.drawn_straight(id, style), sw / 2.0),
            None => {
                let ends = [self.start.to_hundredths(), self.end.to_hundredths()];
                (Path::polyline(&ends, false), sw)
            }
            Some(circle) if drawn => (self.drawn_bent(id, style, circle), 0.0),
            Some(circle) => {
                let mut path = Path::new();
                path.command("M", &[self.start]).arc(
                    circle.radius,
                    false,
                    self.bend >= 0.0,
                    self.end,
                );
                (path, sw)
            }
        };
        let pattern = match self.circle {
            None => fitted_v1(distance, style.stroke_width * 1.618, style.dash, 2.0, false),
            Some(circle) => fitted_v1(circle.length.abs(), sw, style.dash, 2.0, false),
        };
        let fill = if drawn { stroke.as_str() } else { "none" };
        let line = if width > 0.0 { stroke.as_str() } else { "none" };
        let _ = write!(
            svg,
            r#"<g stroke-linecap="round" stroke-linejoin="round"><path d="{}" fill="{fill}" stroke="{line}" stroke-width="{width}"{}/>"#,
            path.finish()?,
            Pattern::attributes(pattern)
        );
        let reach = (distance / 3.0).min(style.stroke_width * 8.0);
        for (n, present) in self.heads.into_iter().enumerate() {
            if present {
                let head = self.head(n == 1, reach);
                let _ = write!(
                    svg,
                    r#"<path d="{}" fill="none" stroke="{stroke}" stroke-width="{sw}"/>"#,
                    Path::polyline(&head, false).finish()?
                );
            }
        }
        svg.push_str("</g>");
        Ok(())
    }

    fn drawn_straight(&self, id: &str, style: &Style) -> Path {
        let mut random = Random::new(id);
        let [start, end] = self.shaft(style, |from, to, by| from.nudged(to, by));
        let pen = Pen {
            thinning: 0.618 + random.next_half() * 0.2,
            easing: ease_out_quad,
            streamline: 0.0,
            last: true,
            ..Pen::of_size(style.stroke_width)
        };
        let touches = [start, end].map(Touch::unpressed);
        through_middles(&ink::stroke(&touches, &pen), true)
    }

    fn drawn_bent(&self, id: &str, style: &Style, circle: Circle) -> Path {
        // One draw of the same sequence chooses how the points are spread.
        let sine = Random::new(id).next_half() > 0.0;
        let easing = |t: f64| {
            if sine {
                -((PI * t).cos() - 1.0) / 2.0
            } else if t < 0.5 {
                4.0 * t * t * t
            } else {
                (t - 1.0) * (2.0 * t - 2.0) * (2.0 * t - 2.0) + 1.0
            }
        };
        let mut random = Random::new(id);
        let turn = style.stroke_width / circle.length;
        let start = if self.heads[0] {
            self.start.rotated_about(circle.center, turn)
        } else {
            self.start
        };
        let end = if self.heads[1] {
            self.end.rotated_about(circle.center, -turn)
        } else {
            self.end
        };
        let from = circle.center.angle_to(start);
        let turn = short_turn(from, circle.center.angle_to(end));
        let count = 8.0
            + (circle.length.abs() / 20.0 + random.next_half() / 2.0)
                .floor()
                .min(4_000.0);
        let arc = (0u32..).map(f64::from).take_while(|&n| n < count).map(|n| {
            let angle = from + turn * easing(n / count);
            (circle.center + V::from_angle(angle) * circle.radius).to_hundredths()
        });
        let touches: Vec<Touch> = std::iter::once(start)
            .chain(arc)
            .chain(std::iter::once(end))
            .map(Touch::unpressed)
            .collect();
        let pen = Pen {
            thinning: 0.618 + random.next_half() * 0.2,
            easing: ease_out_quad,
            simulate_pressure: false,
            streamline: 0.0,
            last: true,
            ..Pen::of_size(1.0 + style.stroke_width)
        };
        through_middles(&ink::stroke(&touches, &pen), true)
    }

    /// The ends of the shaft: a little short of the heads' tips.
    fn shaft(&self, style: &Style, shorten: impl Fn(V, V, f64) -> V) -> [V; 2] {
        let by = style.stroke_width;
        let [at_start, at_end] = self.heads;
        [
            if at_start {
                shorten(self.start, self.end, by)
            } else {
                self.start
            },
            if at_end {
                shorten(self.end, self.start, by)
            } else {
                self.end
            },
        ]
    }

    fn head(&self, at_end: bool, reach: f64) -> [V; 3] {
        let (tip, tail) = if at_end {
            (self.end, self.start)
        } else {
            (self.start, self.end)
        };
        let (behind, back) = match self.circle {
            None => (tip.nudged(tail, reach), 0.0),
            Some(Circle {
                center,
                radius,
                length,
            }) => {
                let ends = meeting_points(tip, reach * 0.618, center, radius);
                let clockwise = if at_end { length >= 0.0 } else { length < 0.0 };
                (ends[usize::from(!clockwise)], reach * -0.382)
            }
        };
        if !behind.length().is_finite() {
            return [tip; 3];
        }
        let side = |turn: f64| behind.rotated_about(tip, turn).nudged(tip, back);
        [side(FRAC_PI_6), tip, side(-FRAC_PI_6)]
    }
}

fn ease_out_quad(t: f64) -> f64 {
    t * (2.0 - t)
}
