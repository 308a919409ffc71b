//! Places in rsync's words.

use std::path::Path;

/// The destination as a folder.
pub(super) fn target(destination: &str) -> String {
    let slash = if destination.ends_with('/') || destination.ends_with(':') {
        ""
    } else {
        "/"
    };
    format!("{destination}{slash}")
}

/// The folder that a destination without a host names.
pub(super) fn local(destination: &str) -> Option<&Path> {
    let before = destination.split('/').next().unwrap_or_default();
    (!before.contains(':')).then(|| Path::new(destination))
}

/// The host of a destination; empty for a local path.
pub(super) fn host(destination: &str) -> &str {
    if local(destination).is_some() {
        return "";
    }
    let rest = destination.strip_prefix("rsync://").unwrap_or(destination);
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let end = rest.find([':', '/']).unwrap_or(rest.len());
    &rest[..end]
}

/// Whether rsync, asked to be verbose, tells that it made the destination's folder, or would.
pub(super) fn made_it(said: &str) -> bool {
    said.lines().any(|line| {
        let made = line.strip_prefix("created ");
        made.is_some_and(|what| what.starts_with("directory ") || what.contains(" director"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert_eq!(target("spool@h:"), "spool@h:");
        assert_eq!(target("spool@h:/"), "spool@h:/");
        assert_eq!(target("/mnt/x"), "/mnt/x/");
        assert_eq!(local("/mnt/a:b"), Some(Path::new("/mnt/a:b")));
        assert_eq!(local("spool"), Some(Path::new("spool")));
        for (place, name) in [
            ("u@h.example:/x", "h.example"),
            ("h.example:x", "h.example"),
            ("h.example::spool", "h.example"),
            ("rsync://u@h.example:873/x", "h.example"),
        ] {
            assert_eq!((local(place), host(place)), (None, name));
        }
    }

    #[test]
    fn a_folder_that_was_made_is_told() {
        assert!(made_it("created directory no\nx.tar\n"));
        assert!(made_it("created 2 directories for a/b\n"));
        assert!(!made_it(
            "Moodle/\nMoodle/created directory.tar\n\nsent 5 bytes\n"
        ));
    }
}
