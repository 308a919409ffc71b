//! Which further files `shapes.svg` names, for whoever has to get them first.

use std::collections::BTreeSet;
use std::io::BufRead;

use super::xml::{Node, walk};
use crate::source::name_of;

/// More files than this are no lecture's.
const MOST: usize = 20_000;

/// The files that `shapes.svg` names, as paths below the recording's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Pictures of slides, and of polls drawn on them.
    pub pictures: BTreeSet<String>,
    /// The slides' texts.
    pub texts: BTreeSet<String>,
}

/// Reads the references of a `shapes.svg` as far as it can be read; those that leave the
/// recording's folder are left out, as nobody follows them.
#[must_use]
pub fn references(shapes: impl BufRead) -> References {
    let mut found = References::default();
    // What is not well-formed ends the list where it ends the timeline.
    let _ = walk(shapes, |node| {
        let Node::Open { tag, .. } = node else { return };
        if tag.name() != "image" || found.pictures.len() + found.texts.len() >= MOST {
            return;
        }
        let name = |attribute| tag.get(attribute).and_then(|href| name_of(&href).ok());
        found.pictures.extend(name("href"));
        found.texts.extend(name("text"));
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slides_polls_and_texts_are_named_once() {
        let found = references(
            r#"<svg><image id="image1" in="0" xlink:href="presentation/p/slide%201.png" text="presentation/p/textfiles/slide-1.txt"/>
            <image id="image2" in="4" xlink:href="./presentation/p/slide 1.png"/>
            <image id="image3" in="5" xlink:href="http://127.0.0.1/x.png"/>
            <image id="image4" in="6" xlink:href="../../../etc/passwd" text="/etc/shadow"/>
            <image id="image0" src="logo.png"/>
            <g class="canvas" image="image1"><g class="shape" id="s" timestamp="1" shape="poll1">
            <image xlink:href="presentation/p/poll_result1.svg"/></g></g>"#
                .as_bytes(),
        );
        let pictures: Vec<_> = found.pictures.iter().map(String::as_str).collect();
        assert_eq!(
            pictures,
            [
                "presentation/p/poll_result1.svg",
                "presentation/p/slide 1.png"
            ]
        );
        assert_eq!(found.texts.len(), 1);
    }
}
