//! What films are to be like: as options of `convert`, and as the section `convert` of the
//! settings.

mod options;
mod settings;

pub(crate) use options::FilmArgs;
pub(crate) use settings::Convert;

use render::geometry::Size;

/// A frame of 16:9 with this height; both sides even.
fn widescreen(height: u32) -> Size {
    let height = height & !1;
    Size {
        width: (height.saturating_mul(16) / 9 + 1) & !1,
        height,
    }
}
