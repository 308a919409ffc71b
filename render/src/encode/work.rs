//! The folder in which a conversion keeps its finished parts, so that it goes on from them after
//! it was killed.
//!
//! A part has its name only when it is whole and on the disk. The folder belongs to one
//! conversion at a time, and its content to one combination of input files and options: anything
//! else found in it is thrown away.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::encode::plan::Segment;
use crate::error::Error;

const FINGERPRINT: &str = "fingerprint.json";
const PLAN: &str = "plan.json";
const LOCK: &str = "lock";
const OURS: [&str; 7] = [
    "segment-",
    "sound",
    "parts",
    "notes",
    "captions-",
    "plan",
    "fingerprint",
];

/// A locked folder of work.
#[derive(Debug)]
pub(crate) struct Work {
    dir: PathBuf,
    /// Holds the lock until it is closed.
    _lock: File,
}

/// Whether a part had to be made.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It was there.
    Kept,
    /// It was made now.
    Made,
}

impl Part {
    pub(crate) fn unless_made(&self, then: impl FnOnce()) {
        if *self == Part::Kept {
            then();
        }
    }
}

/// The name of a segment's file.
pub(crate) fn segment_name(number: usize) -> String {
    format!("segment-{number:05}.mp4")
}

impl Work {
    /// Opens a folder, makes it if need be, and throws away what other input or options left.
    ///
    /// # Errors
    /// [`Error::Busy`] when another conversion works in it.
    pub(crate) fn open(dir: &Path, fingerprint: &impl Serialize) -> Result<Work, Error> {
        fs::create_dir_all(dir).map_err(|e| Error::io("making", dir, e))?;
        let lock_path = dir.join(LOCK);
        let lock = File::create(&lock_path).map_err(|e| Error::io("making", &lock_path, e))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(Error::Busy {
                    path: dir.to_path_buf(),
                });
            }
            Err(fs::TryLockError::Error(e)) => return Err(Error::io("locking", &lock_path, e)),
        }
        let work = Work {
            dir: dir.to_path_buf(),
            _lock: lock,
        };
        let fingerprint = serde_json::to_vec_pretty(fingerprint).unwrap_or_default();
        if fs::read(dir.join(FINGERPRINT)).ok().as_deref() != Some(&fingerprint[..]) {
            work.clear()?;
            work.write(FINGERPRINT, &fingerprint)?;
        }
        Ok(work)
    }

    /// A file's path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The plan that was made when this work began, or a new one.
    pub(crate) fn segments(
        &self,
        plan: impl FnOnce() -> Vec<Segment>,
    ) -> Result<Vec<Segment>, Error> {
        let kept = fs::read(self.path(PLAN)).ok();
        if let Some(segments) = kept.and_then(|json| serde_json::from_slice(&json).ok()) {
            return Ok(segments);
        }
        let segments = plan();
        self.write(PLAN, &serde_json::to_vec(&segments).unwrap_or_default())?;
        Ok(segments)
    }

    /// Makes a part unless it is there: `make` writes to the path it is given, which gets the
    /// part's name when it is on the disk.
    pub(crate) fn make(
        &self,
        name: &str,
        make: impl FnOnce(&Path) -> Result<(), Error>,
    ) -> Result<Part, Error> {
        let path = self.path(name);
        if path.is_file() {
            return Ok(Part::Kept);
        }
        let unfinished = self.path(&format!("{name}.unfinished"));
        let made = make(&unfinished).and_then(|()| settle(&unfinished, &path));
        if made.is_err() {
            fs::remove_file(&unfinished).ok();
        }
        made.map(|()| Part::Made)
    }

    /// Writes a small file.
    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<(), Error> {
        let path = self.path(name);
        let unfinished = self.path(&format!("{name}.unfinished"));
        fs::write(&unfinished, content).map_err(|e| Error::io("writing", &path, e))?;
        settle(&unfinished, &path)
    }

    /// Removes everything, and the folder if nothing of others is in it.
    pub(crate) fn remove(self) -> Result<(), Error> {
        self.clear()?;
        fs::remove_file(self.path(LOCK)).ok();
        fs::remove_dir(&self.dir).ok();
        Ok(())
    }

    fn clear(&self) -> Result<(), Error> {
        let fail = |e| Error::io("clearing", &self.dir, e);
        for entry in fs::read_dir(&self.dir).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let name = entry.file_name();
            // A folder named by mistake may hold files that are not ours.
            if OURS
                .iter()
                .any(|ours| name.to_string_lossy().starts_with(ours))
            {
                fs::remove_file(entry.path()).map_err(fail)?;
            }
        }
        Ok(())
    }
}

/// Gives a file its final name once its content is on the disk.
pub(crate) fn settle(unfinished: &Path, path: &Path) -> Result<(), Error> {
    let fail = |e| Error::io("writing", path, e);
    File::open(unfinished)
        .and_then(|file| file.sync_all())
        .map_err(fail)?;
    recording::durable::rename(unfinished, path).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_for_the_same_work_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("work");
        let write =
            |path: &Path| fs::write(path, "part").map_err(|e| Error::io("writing", path, e));
        let work = Work::open(&path, &"a").unwrap();
        assert_eq!(work.make("segment-1", write).unwrap(), Part::Made);
        assert!(matches!(Work::open(&path, &"a"), Err(Error::Busy { .. })));
        drop(work);
        let work = Work::open(&path, &"a").unwrap();
        assert_eq!(work.make("segment-1", write).unwrap(), Part::Kept);
        drop(work);
        let work = Work::open(&path, &"b").unwrap();
        assert_eq!(work.make("segment-1", write).unwrap(), Part::Made);
        work.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn half_a_part_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let work = Work::open(dir.path(), &1).unwrap();
        let half = work.make("sound.mp4", |path| {
            fs::write(path, "half").unwrap();
            Err(Error::Stopped)
        });
        assert!(half.is_err());
        assert_eq!(
            work.make("sound.mp4", |path| {
                assert!(!path.exists());
                fs::write(path, "whole").unwrap();
                Ok(())
            })
            .unwrap(),
            Part::Made
        );
    }

    #[test]
    fn what_is_not_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.tex"), "x").unwrap();
        let work = Work::open(dir.path(), &1).unwrap();
        work.remove().unwrap();
        assert!(dir.path().join("thesis.tex").exists());
    }

    #[test]
    fn plan_is_made_once() {
        let dir = tempfile::tempdir().unwrap();
        let work = Work::open(dir.path(), &1).unwrap();
        let one = vec![Segment { start: 0, end: 5 }];
        assert_eq!(work.segments(|| one.clone()).unwrap(), one);
        assert_eq!(work.segments(Vec::new).unwrap(), one);
    }
}
