//! Dashes that fit the length of the line they are laid on.

/// How a line is drawn; both generations use the same four names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dash {
    /// By hand.
    Draw,
    Solid,
    Dashed,
    Dotted,
}

impl Dash {
    /// By the name both generations give it; what is unknown is drawn by hand, as by default.
    pub(super) fn named(name: &str) -> Dash {
        match name {
            "solid" => Dash::Solid,
            "dashed" => Dash::Dashed,
            "dotted" => Dash::Dotted,
            _ => Dash::Draw,
        }
    }
}

/// A dash, a gap, and where in the first dash the line starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pattern {
    dash: f64,
    gap: f64,
    offset: f64,
}

impl Pattern {
    /// As attributes of an SVG element; nothing when the line is to be solid.
    pub(super) fn attributes(pattern: Option<Pattern>) -> String {
        match pattern {
            // usvg refuses a pattern without extent, and draws none at all.
            Some(Pattern { dash, gap, offset })
                if dash.is_finite() && gap.is_finite() && dash > 1e-6 && gap >= 0.0 =>
            {
                format!(r#" stroke-dasharray="{dash:.4} {gap:.4}" stroke-dashoffset="{offset:.4}""#)
            }
            _ => String::new(),
        }
    }

    /// Fixed dashes, as tldraw puts along freehand strokes.
    pub(super) fn fixed(dash: f64, gap: f64) -> Pattern {
        Pattern {
            dash,
            gap,
            offset: 0.0,
        }
    }
}

/// tldraw 1's `getPerfectDashProps`: `snap` makes the number of dashes a multiple of it, `outset`
/// starts with half a dash.
pub(super) fn fitted_v1(
    length: f64,
    width: f64,
    dash: Dash,
    snap: f64,
    outset: bool,
) -> Option<Pattern> {
    let (dash_length, ratio, offset) = match dash {
        Dash::Dashed => (width * 2.0, 1.0, if outset { width } else { 0.0 }),
        Dash::Dotted => (width / 100.0, 100.0, 0.0),
        Dash::Draw | Dash::Solid => return None,
    };
    let count = (length / dash_length / (2.0 * ratio)).floor();
    let count = (count - count % snap).max(4.0);
    let gaps = if outset { count } else { count - 1.0 };
    let gap = dash_length.max((length - count * dash_length) / gaps);
    Some(Pattern {
        dash: dash_length,
        gap,
        offset,
    })
}

/// What tldraw 2 does at an end of a dashed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Half a dash.
    Outset,
    /// No dash.
    Skip,
    /// A whole dash.
    Whole,
}

/// What tldraw 2 is asked for; the names are tldraw's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fit {
    pub(super) snap: f64,
    pub(super) start: End,
    pub(super) end: End,
    pub(super) closed: bool,
}

impl Default for Fit {
    fn default() -> Fit {
        Fit {
            snap: 1.0,
            start: End::Outset,
            end: End::Outset,
            closed: false,
        }
    }
}

/// tldraw 2's `getPerfectDashProps`.
pub(super) fn fitted_v2(length: f64, width: f64, dash: Dash, fit: Fit) -> Option<Pattern> {
    let (dash_length, ratio) = match dash {
        Dash::Dashed => ((width * 2.0).min(length / 4.0), 1.0),
        Dash::Dotted => (width / 100.0, 100.0),
        Dash::Draw | Dash::Solid => return None,
    };
    let mut length = length;
    let mut offset = 0.0;
    if !fit.closed {
        match fit.start {
            End::Outset => {
                length += dash_length / 2.0;
                offset += dash_length / 2.0;
            }
            End::Skip => {
                length -= dash_length;
                offset -= dash_length;
            }
            End::Whole => {}
        }
        match fit.end {
            End::Outset => length += dash_length / 2.0,
            End::Skip => length -= dash_length,
            End::Whole => {}
        }
    }
    let count = (length / dash_length / (2.0 * ratio)).floor();
    let count = count - count % fit.snap;
    if count < 3.0 && dash == Dash::Dashed {
        return Some(if length / width < 5.0 {
            Pattern {
                dash: length,
                gap: 0.0,
                offset,
            }
        } else {
            Pattern {
                dash: length * 0.333,
                gap: length * 0.333,
                offset,
            }
        });
    }
    let count = count.max(3.0);
    let dash_length = length / count / (2.0 * ratio);
    let gap = if fit.closed {
        offset = dash_length / 2.0;
        (length - count * dash_length) / count
    } else {
        (length - count * dash_length) / (count - 1.0).max(1.0)
    };
    Some(Pattern {
        dash: dash_length,
        gap,
        offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_of_dashes_fit() {
        let pattern = fitted_v1(400.0, 5.0, Dash::Dashed, 1.0, true).unwrap();
        assert_eq!(
            pattern,
            Pattern {
                dash: 10.0,
                gap: 10.0,
                offset: 5.0
            }
        );
        assert!(fitted_v1(400.0, 5.0, Dash::Solid, 1.0, true).is_none());
        let fit = Fit {
            closed: true,
            ..Fit::default()
        };
        let Pattern { dash, gap, .. } = fitted_v2(437.0, 3.5, Dash::Dashed, fit).unwrap();
        let count = 437.0 / (dash + gap);
        assert!((count - count.round()).abs() < 1e-9);
    }

    #[test]
    fn a_line_without_length_is_solid() {
        assert_eq!(
            Pattern::attributes(fitted_v2(0.0, 3.5, Dash::Dashed, Fit::default())),
            ""
        );
        assert_eq!(
            Pattern::attributes(fitted_v2(f64::NAN, 3.5, Dash::Dotted, Fit::default())),
            ""
        );
    }
}
