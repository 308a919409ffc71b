//! What is wrong with the fonts of this machine, so that whoever misses letters learns why.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use resvg::usvg::fontdb::{Database, Source};

use super::{Fonts, Wanted};
use crate::warning::Warnings;

/// A file that should hold fonts, and why none came from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    path: PathBuf,
    why: String,
}

const ARIAL: Wanted<'static> = Wanted {
    families: &["Arial", "Liberation Sans"],
    weight: 400,
    italic: false,
};

impl Fonts {
    /// Notes which letters, of all that were asked for, no font of this machine has.
    pub(crate) fn report_missing(&self, warnings: &Warnings) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut missing: Vec<char> = found
            .iter()
            .filter(|(letter, id)| id.is_none() && is_seen(**letter))
            .map(|(letter, _)| *letter)
            .collect();
        missing.sort_unstable();
        if let Some(first) = missing.first() {
            let count = missing.len();
            let why = format!(
                "no font on this machine has {first:?} (U+{:04X}){}; install the package fonts-noto",
                u32::from(*first),
                if count > 1 {
                    format!(" and {} others", count - 1)
                } else {
                    String::new()
                }
            );
            warnings.add("letters left out", None, why);
        }
    }

    /// Notes what is wrong with the fonts of this machine.
    pub(crate) fn report(&self, warnings: &Warnings) {
        for Unusable { path, why } in &self.unusable {
            warnings.add("font not used", Some(path), why);
        }
        let id = self.query(ARIAL);
        let is_there = id.and_then(|id| self.with_face(id, |_| ())).is_some();
        if !is_there {
            warnings.add(
                "text in another font",
                None,
                "neither Arial nor Liberation Sans can be used; install the package \
                 fonts-liberation",
            );
        }
    }
}

/// Those in the folders where fonts are kept that `database`, loaded from there, has nothing of.
pub(super) fn unusable(database: &Database) -> Vec<Unusable> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let in_home = [".fonts", ".local/share/fonts"]
        .iter()
        .filter_map(|folder| Some(home.as_ref()?.join(folder)));
    let folders = ["/usr/share/fonts", "/usr/local/share/fonts"]
        .into_iter()
        .map(PathBuf::from)
        .chain(in_home);
    let used: HashSet<&Path> = database
        .faces()
        .filter_map(|face| match &face.source {
            Source::File(path) | Source::SharedFile(path, _) => Some(path.as_path()),
            Source::Binary(_) => None,
        })
        .collect();
    let mut found: Vec<Unusable> = folders
        .flat_map(files)
        .filter(|path| !used.contains(path.as_path()))
        .filter_map(|path| {
            Some(Unusable {
                why: why(&path)?,
                path,
            })
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// Whether a character is to be seen, rather than saying how others are.
fn is_seen(character: char) -> bool {
    let says_how = matches!(u32::from(character),
        0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0xFE00..=0xFE0F | 0xFEFF | 0xE0000..=0xE0FFF);
    !(says_how || character.is_control() || character.is_whitespace())
}

/// Font files below a folder, by their names.
fn files(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            // Links are followed by whoever loads fonts, and lead to files that are listed anyway.
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() && is_font(&path) => found.push(path),
                _ => {}
            }
        }
    }
    found
}

fn is_font(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["ttf", "ttc", "otf", "otc"]
            .iter()
            .any(|known| extension.eq_ignore_ascii_case(known))
    })
}

/// Why nothing came from a file; `None` when it is a font of a kind that text is not set in, as
/// one without names.
fn why(path: &Path) -> Option<String> {
    let mut start = [0; 4];
    match File::open(path).and_then(|mut file| file.read_exact(&mut start)) {
        Err(error) => Some(error.to_string()),
        Ok(()) => match &start {
            [0, 1, 0, 0] | b"OTTO" | b"true" | b"ttcf" => None,
            _ => Some("not a font".to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_no_font_has_are_told() {
        let fonts = Fonts::system();
        let warnings = Warnings::default();
        let _ = fonts.width(ARIAL, 10.0, "a\u{200d}\u{fe0f}\t");
        fonts.report_missing(&warnings);
        assert_eq!(warnings.list(), []);
        // Left free by Unicode, for good.
        let _ = fonts.width(ARIAL, 10.0, "a\u{10ffff}\u{1fffe}");
        fonts.report_missing(&warnings);
        let said = warnings.list()[0].to_string();
        assert!(said.contains("U+1FFFE) and 1 others"), "{said}");
    }

    #[test]
    fn files_that_are_no_fonts_are_named_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("more")).unwrap();
        for (name, content) in [
            ("more/Broken.ttf", &b"<html>"[..]),
            ("Short.OTF", b"OT"),
            ("Fine.ttc", b"ttcf..."),
            ("notes.txt", b"x"),
        ] {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        let mut found: Vec<(String, bool)> = files(dir.path().to_owned())
            .iter()
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, why(path).is_some())
            })
            .collect();
        found.sort();
        let wanted = [
            ("Broken.ttf", true),
            ("Fine.ttc", false),
            ("Short.OTF", true),
        ];
        assert_eq!(found, wanted.map(|(name, bad)| (name.to_owned(), bad)));
    }
}
