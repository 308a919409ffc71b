//! A list instead of anything in Pod: every recording becomes one line of a CSV file, once.
//!
//! The file itself remembers which recordings it has, so a line is added only when none is there.
//! A line that a power cut has torn off has no end, and is cut away before the next is added.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use recording::{RecordId, durable};
use tokio::sync::OnceCell;

use super::config::CsvConfig;
use super::{Destination, Finding, Journal, Kind, Lecture, Plan, PodError, Registration, Standing};
use crate::export;

/// The destination `csv`.
#[derive(Debug)]
pub(super) struct Csv {
    path: PathBuf,
    /// What the file has; opened when the first line is added.
    list: Arc<Mutex<Option<List>>>,
    /// Which recordings it had when they were asked for.
    read: OnceCell<HashSet<String>>,
}

#[derive(Debug)]
struct List {
    file: File,
    has: HashSet<String>,
}

impl Csv {
    pub(super) fn new(config: &CsvConfig) -> Csv {
        Csv {
            path: config.file.clone(),
            list: Arc::default(),
            read: OnceCell::new(),
        }
    }

    /// Whether the file has a line of this recording; it is read once.
    async fn stands(&self, record_id: &RecordId) -> Result<Standing, PodError> {
        let read = self.read.get_or_try_init(|| async {
            match tokio::fs::read(&self.path).await {
                Ok(text) => {
                    let text = String::from_utf8_lossy(&text).into_owned();
                    Ok(text.lines().filter_map(export::record_id).collect())
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(HashSet::new()),
                Err(e) => Err(PodError::file("read", &self.path)(e)),
            }
        });
        let has: &HashSet<String> = read.await?;
        Ok(match has.contains(record_id.as_str()) {
            true => Standing::There,
            false => Standing::Gone,
        })
    }

    async fn add(&self, lecture: &Lecture) -> Result<Registration, PodError> {
        let line = export::line(&export::Entry::of(lecture));
        let id = lecture.record_id.to_string();
        let (path, list) = (self.path.clone(), Arc::clone(&self.list));
        let added = tokio::task::spawn_blocking(move || {
            let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
            let mut open = match list.take() {
                Some(open) => open,
                None => open_list(&path).map_err(PodError::file("open", &path))?,
            };
            if !open.has.contains(&id) {
                // Unless all of it is there, the file is looked through again the next time.
                open.file
                    .write_all(line.as_bytes())
                    .and_then(|()| open.file.sync_data())
                    .map_err(PodError::file("write", &path))?;
                open.has.insert(id);
            }
            *list = Some(open);
            Ok::<(), PodError>(())
        });
        added
            .await
            .map_err(|e| PodError::file("write", &self.path)(io::Error::other(e)))??;
        Ok(Registration {
            kind: Kind::Line,
            reference: self.path.display().to_string(),
            url: None,
            media_digest: lecture
                .media
                .as_ref()
                .map_or(lecture.source_digest, |m| m.digest),
            trouble: None,
            notes: Vec::new(),
            look_again: None,
        })
    }
}

/// Opens the file, makes it with its header, cuts a torn line away, and reads whom it has.
fn open_list(path: &Path) -> io::Result<List> {
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)?;
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    let whole = text
        .windows(2)
        .rposition(|end| end == b"\r\n")
        .map_or(0, |at| at + 2);
    if whole < text.len() {
        file.set_len(whole as u64)?;
        file.seek(io::SeekFrom::End(0))?;
    }
    if whole == 0 {
        file.write_all(export::header().as_bytes())?;
        file.sync_all()?;
        durable::sync_directory(path.parent().unwrap_or(Path::new("/")))?;
    }
    let text = String::from_utf8_lossy(&text[..whole]);
    let has = text.lines().filter_map(export::record_id).collect();
    Ok(List { file, has })
}

impl Destination for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn needs_media(&self) -> bool {
        false
    }

    fn register<'a>(
        &'a self,
        lecture: &'a Lecture,
        _: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Registration, PodError>> {
        Box::pin(self.add(lecture))
    }

    fn standing<'a>(
        &'a self,
        record_id: &'a RecordId,
        _: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Standing, PodError>> {
        Box::pin(self.stands(record_id))
    }

    fn rehearse<'a>(
        &'a self,
        lecture: &'a Lecture,
        _: &'a dyn Journal,
    ) -> BoxFuture<'a, Result<Plan, PodError>> {
        let line = export::line(&export::Entry::of(lecture));
        let step = format!("add to {}: {}", self.path.display(), line.trim_end());
        Box::pin(async move {
            Ok(Plan {
                steps: vec![step],
                ..Plan::default()
            })
        })
    }

    fn check(&self) -> BoxFuture<'_, Vec<Finding>> {
        Box::pin(async {
            let folder = self.path.parent().unwrap_or(Path::new("/"));
            let shown = self.path.display();
            vec![match tempfile::NamedTempFile::new_in(folder) {
                Ok(_) => Finding::fine(format!("{shown} can be written; nothing goes to Pod")),
                Err(error) => Finding::wrong(
                    format!("{shown}: {error}"),
                    "let the user that runs the receiver write there",
                ),
            }]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pod::fixtures::{Memory, lecture};

    #[tokio::test]
    async fn each_recording_is_one_line_whatever_breaks_off() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("list.csv");
        let config = CsvConfig { file: file.clone() };
        let mut lecture = lecture(folder.path(), b"video");
        let journal = Memory::default();
        let csv = Csv::new(&config);
        csv.register(&lecture, &journal).await.unwrap();
        csv.register(&lecture, &journal).await.unwrap();
        let first = std::fs::read_to_string(&file).unwrap();
        assert_eq!(first.lines().count(), 2, "{first}");
        let standing = async |path: &Path| {
            let config = CsvConfig { file: path.into() };
            let csv = Csv::new(&config);
            csv.standing(&lecture.record_id, &journal).await.unwrap()
        };
        assert_eq!(standing(&file).await, Standing::There);
        let absent = folder.path().join("absent.csv");
        assert_eq!(standing(&absent).await, Standing::Gone);
        std::fs::write(&absent, export::header()).unwrap();
        assert_eq!(standing(&absent).await, Standing::Gone);

        // A power cut in the middle of the next line.
        lecture.record_id = "283f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920"
            .parse()
            .unwrap();
        for cut in [1, 20, 60] {
            std::fs::write(&file, format!("{first}{}", &"x;".repeat(50)[..cut])).unwrap();
            let csv = Csv::new(&config);
            csv.register(&lecture, &journal).await.unwrap();
            csv.register(&lecture, &journal).await.unwrap();
            let now = std::fs::read_to_string(&file).unwrap();
            assert!(now.starts_with(&first), "{now}");
            assert_eq!(now.lines().count(), 3, "{now}");
        }
    }
}
