//! Drawn shapes of every generation, as fragments of SVG.
//!
//! Each version of a shape is translated on its own, without knowing when it is visible, what
//! lies below it, or how large the picture will be.

pub mod svg;

/// One version of a shape, ready to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Fragment {
    /// SVG elements in the slide's units ([`crate::timeline::Units`]), without an `<svg>` around
    /// them; the namespaces of SVG (default) and of `xlink` are declared by whoever draws it.
    ///
    /// An `<image>` may refer to a file by its path relative to the recording's folder, or hold
    /// `data:`; any other reference is ignored.
    pub svg: String,
}

/// Why a version of a shape is not drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// For a human: "unknown type `mystery`", "no points", ….
    pub why: String,
}

impl Skipped {
    /// Not drawn for this reason.
    #[must_use]
    pub fn because(why: impl Into<String>) -> Skipped {
        Skipped { why: why.into() }
    }
}
