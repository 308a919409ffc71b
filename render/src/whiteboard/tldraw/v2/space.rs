//! Where shapes of tldraw 2 lie: each in the space of the shape that holds it.

use serde_json::Value;

use super::super::super::Skipped;
use super::super::json::{number_or, text};
use super::super::vector::{V, v};

/// A space within the page: moved, then turned about its own origin.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Space {
    pub(super) origin: V,
    pub(super) angle: f64,
}

impl Space {
    fn of(shape: &Value) -> Result<Space, Skipped> {
        Ok(Space {
            origin: v(number_or(shape, "x", 0.0)?, number_or(shape, "y", 0.0)?),
            angle: number_or(shape, "rotation", 0.0)?,
        })
    }

    /// A space that lies in this one.
    fn within(self, outer: Space) -> Space {
        Space {
            origin: outer.to_page(self.origin),
            angle: outer.angle + self.angle,
        }
    }

    pub(super) fn to_page(self, point: V) -> V {
        self.origin + point.rotated(self.angle)
    }

    pub(super) fn local(self, point: V) -> V {
        (point - self.origin).rotated(-self.angle)
    }
}

/// How deep shapes hold each other at most.
const DEEPEST: usize = 64;

/// Those among `others` that hold a shape, innermost first.
pub(super) fn holders<'a>(shape: &'a Value, others: &[&'a Value]) -> Vec<&'a Value> {
    let mut holders: Vec<&Value> = Vec::new();
    let mut of = shape;
    while holders.len() < DEEPEST {
        let parent = text(of, "parentId");
        let found = others
            .iter()
            .find(|other| !parent.is_empty() && text(other, "id") == parent);
        match found {
            // A circle, which only a forged file has, must end too.
            Some(&holder)
                if text(holder, "id") != text(shape, "id")
                    && !holders.iter().any(|h| text(h, "id") == parent) =>
            {
                holders.push(holder);
                of = holder;
            }
            _ => break,
        }
    }
    holders
}

/// The space of a shape on the page.
///
/// # Errors
/// When its place, or that of what holds it, is no place.
pub(super) fn space(shape: &Value, others: &[&Value]) -> Result<Space, Skipped> {
    let mut space = Space::of(shape)?;
    for holder in holders(shape, others) {
        space = space.within(Space::of(holder)?);
    }
    Ok(space)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::f64::consts::FRAC_PI_2;

    #[test]
    fn a_held_shape_lies_in_its_holders_space() {
        let group =
            json!({"id": "g", "parentId": "page:1", "x": 100, "y": 0, "rotation": FRAC_PI_2});
        let child = json!({"id": "c", "parentId": "g", "x": 10, "y": 0});
        let space = space(&child, &[&group]).unwrap();
        let corner = space.to_page(v(1.0, 0.0));
        assert!((corner.x - 100.0).abs() < 1e-9 && (corner.y - 11.0).abs() < 1e-9);
        assert!(space.local(corner).distance(v(1.0, 0.0)) < 1e-9);
    }

    #[test]
    fn circles_of_holders_end() {
        let a = json!({"id": "a", "parentId": "b", "x": 1, "y": 1});
        let b = json!({"id": "b", "parentId": "a", "x": 1, "y": 1});
        assert_eq!(holders(&a, &[&a, &b]).len(), 1);
        assert!(space(&a, &[&a, &b]).is_ok());
    }
}
