//! The files of one published recording, found and opened without ever leaving its folder.
//!
//! A published recording is a folder whose file names are known and whose `shapes.svg` refers to
//! further files by relative path. Both may come from strangers, so every path is checked: no
//! `..`, no absolute path, no URL, and no symbolic link anywhere below the folder.

use std::fs::File;
use std::path::{Component, Path, PathBuf};

use crate::error::Error;

/// The folder of one published presentation, `published/presentation/<record id>`.
#[derive(Clone, Debug)]
pub struct Source {
    dir: PathBuf,
}

impl Source {
    /// A recording's folder; the path to it may hold symbolic links, what lies in it may not.
    ///
    /// # Errors
    /// When `dir` is not a folder that can be read.
    pub fn open(dir: &Path) -> Result<Source, Error> {
        let bad = |why: String| Error::NotARecording {
            path: dir.to_path_buf(),
            why,
        };
        let real = dir.canonicalize().map_err(|e| bad(e.to_string()))?;
        if !real.is_dir() {
            return Err(bad("not a folder".into()));
        }
        Ok(Source { dir: real })
    }

    /// Whether any file of a published presentation is in the folder.
    #[must_use]
    pub fn is_presentation(&self) -> bool {
        ["metadata.xml", "shapes.svg", "video", "audio", "deskshare"]
            .iter()
            .any(|name| std::fs::symlink_metadata(self.dir.join(name)).is_ok())
    }

    /// The folder, as an absolute path without symbolic links.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The regular file that a reference in the recording means.
    ///
    /// References are percent-decoded relative paths, as `shapes.svg` has them.
    ///
    /// # Errors
    /// [`Error::Outside`] when the reference would leave the folder or passes a symbolic link,
    /// [`Error::BadFile`] when there is no such regular file.
    pub fn resolve(&self, href: &str) -> Result<PathBuf, Error> {
        let refuse = |why| outside(href, why);
        let decoded = name_of(href)?;
        let mut path = self.dir.clone();
        let mut kind = None;
        for part in Path::new(&decoded) {
            path.push(part);
            let metadata = std::fs::symlink_metadata(&path).map_err(|e| Error::BadFile {
                path: PathBuf::from(&decoded),
                why: if e.kind() == std::io::ErrorKind::NotFound {
                    "no such file in the recording".into()
                } else {
                    e.to_string()
                },
            })?;
            if metadata.file_type().is_symlink() {
                return Err(refuse("it passes a symbolic link"));
            }
            kind = Some(metadata.file_type());
        }
        if kind.is_some_and(|k| k.is_file()) {
            Ok(path)
        } else {
            Err(Error::BadFile {
                path: PathBuf::from(&decoded),
                why: "not a regular file".into(),
            })
        }
    }

    /// Opens the file that a reference means; see [`Source::resolve`].
    ///
    /// # Errors
    /// As [`Source::resolve`], and [`Error::Io`] when it cannot be opened.
    pub fn open_file(&self, href: &str) -> Result<File, Error> {
        let path = self.resolve(href)?;
        File::open(&path).map_err(|source| Error::Io {
            doing: "opening",
            path,
            source,
        })
    }

    /// The webcams' film, if there is one that is not empty: `video/webcams.{webm,mp4}`.
    ///
    /// In recordings of BBB 0.9 and 1.x it also shows the screen share.
    #[must_use]
    pub fn webcams(&self) -> Option<PathBuf> {
        self.first_of(&["video/webcams.webm", "video/webcams.mp4"])
    }

    /// The screen share's film, as long as the whole recording: `deskshare/deskshare.{webm,mp4}`.
    #[must_use]
    pub fn deskshare(&self) -> Option<PathBuf> {
        self.first_of(&["deskshare/deskshare.webm", "deskshare/deskshare.mp4"])
    }

    /// The sound of a recording without webcams: `audio/audio.{webm,ogg}`.
    ///
    /// Where there is a webcams' film, the sound is in it.
    #[must_use]
    pub fn audio(&self) -> Option<PathBuf> {
        self.first_of(&["audio/audio.webm", "audio/audio.ogg", "audio/audio.mp3"])
    }

    fn first_of(&self, names: &[&str]) -> Option<PathBuf> {
        names
            .iter()
            .filter_map(|name| self.resolve(name).ok())
            .find(|path| std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0))
    }
}

/// The path below the recording's folder that a reference in the recording means, whether or not
/// there is such a file: percent-decoded, its parts separated by single slashes.
///
/// # Errors
/// [`Error::Outside`] when it would leave the folder.
pub fn name_of(href: &str) -> Result<String, Error> {
    let refuse = |why| outside(href, why);
    if href.is_empty() || href.len() > 1000 {
        return Err(refuse("it is not the path of a file"));
    }
    let decoded = percent_decoded(href).ok_or_else(|| refuse("it is not UTF-8"))?;
    let before_slash = decoded.split('/').next().unwrap_or_default();
    if before_slash.contains(':') || decoded.contains(['\0', '\\']) {
        return Err(refuse("only files of the recording's own folder are used"));
    }
    let mut parts = Vec::new();
    for part in Path::new(&decoded).components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) => parts.push(name.to_string_lossy()),
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(refuse("it leaves the recording's folder"));
            }
        }
    }
    if parts.is_empty() {
        return Err(refuse("it is not the path of a file"));
    }
    Ok(parts.join("/"))
}

fn outside(href: &str, why: &'static str) -> Error {
    Error::Outside {
        href: href.chars().take(200).collect(),
        why,
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let code = (first == b'%')
            .then(|| after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let (Some(code), Some(behind)) = (code, after.get(2..)) {
            bytes.push(code);
            rest = behind;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("presentation/p")).unwrap();
        std::fs::write(dir.path().join("shapes.svg"), "<svg/>").unwrap();
        std::fs::write(dir.path().join("presentation/p/slide 1.png"), "x").unwrap();
        dir
    }

    #[test]
    fn plain_and_encoded_names_are_found() {
        let dir = folder();
        let source = Source::open(dir.path()).unwrap();
        for href in [
            "presentation/p/slide 1.png",
            "presentation/p/slide%201.png",
            "./presentation/./p/slide 1.png",
        ] {
            assert!(
                source
                    .resolve(href)
                    .unwrap()
                    .ends_with("presentation/p/slide 1.png"),
                "{href}"
            );
        }
    }

    #[test]
    fn what_leaves_the_folder_is_refused() {
        let dir = folder();
        let source = Source::open(dir.path()).unwrap();
        for href in [
            "/etc/passwd",
            "../secret",
            "presentation/../../secret",
            "presentation/%2e%2e/shapes.svg",
            "file:///etc/passwd",
            "http://example.org/x.png",
            "data:image/png;base64,AAAA",
            "presentation\\..\\x",
            "a\0b",
            "",
        ] {
            assert!(
                matches!(source.resolve(href), Err(Error::Outside { .. })),
                "{href:?}"
            );
        }
    }

    #[test]
    fn symbolic_links_and_folders_are_not_files() {
        let dir = folder();
        std::os::unix::fs::symlink("/etc", dir.path().join("out")).unwrap();
        std::os::unix::fs::symlink("shapes.svg", dir.path().join("link.svg")).unwrap();
        let source = Source::open(dir.path()).unwrap();
        assert!(matches!(
            source.resolve("out/passwd"),
            Err(Error::Outside { .. })
        ));
        assert!(matches!(
            source.resolve("link.svg"),
            Err(Error::Outside { .. })
        ));
        assert!(matches!(
            source.resolve("presentation"),
            Err(Error::BadFile { .. })
        ));
        assert!(matches!(
            source.resolve("presentation/none.png"),
            Err(Error::BadFile { .. })
        ));
    }

    #[test]
    fn empty_media_do_not_count() {
        let dir = folder();
        std::fs::create_dir(dir.path().join("video")).unwrap();
        std::fs::write(dir.path().join("video/webcams.webm"), "").unwrap();
        std::fs::write(dir.path().join("video/webcams.mp4"), "x").unwrap();
        let source = Source::open(dir.path()).unwrap();
        assert!(source.webcams().unwrap().ends_with("webcams.mp4"));
        assert_eq!(source.deskshare(), None);
    }

    #[test]
    fn other_folders_are_no_presentations() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!Source::open(dir.path()).unwrap().is_presentation());
        let none = Source::open(&dir.path().join("none"));
        assert!(matches!(none, Err(Error::NotARecording { .. })));
    }
}
