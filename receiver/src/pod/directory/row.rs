//! The row by which Pod shows a file on the claim page (`recordingfiletreatment`).
//!
//! Pod's cron makes it in two passes by itself. With `claim_row: rest` it is made at once and shows
//! after one pass, with `claim_row: sql` it shows at once. A file has one row at most, as Pod's
//! table refuses a second one; a file that has been claimed meanwhile gets none.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use reqwest::Method;
use reqwest::multipart::Form;
use tokio::sync::OnceCell;

use crate::database::{Database, DatabaseError, Dialect, Table, Value, shown};
use crate::pod::config::{Chosen, ClaimRow, DirectoryConfig};
use crate::pod::upload::api::Api;
use crate::pod::upload::catalogue::{Catalogue, List};
use crate::pod::upload::site;
use crate::pod::{Finding, PodError};

const TABLE: &str = "recorder_recordingfiletreatment";
const COLUMNS: [&str; 6] = [
    "file",
    "file_size",
    "date_added",
    "require_manual_claim",
    "type",
    "recorder_id",
];
const TREATMENTS: &str = "rest/recordingfiletreatment/";
const MAKING: &str = "making the row of the claim page";

/// How rows are made.
#[derive(Debug)]
pub(super) struct Rows {
    recorder: Chosen,
    way: Way,
}

#[derive(Debug)]
enum Way {
    Rest(Box<Api>, OnceCell<String>),
    Sql(Box<Database>, OnceCell<Target>),
}

/// The table, and the recorder's id.
#[derive(Debug)]
struct Target {
    recorder: i64,
    more: Vec<(String, &'static str)>,
    length: Option<usize>,
}

impl Rows {
    /// `None` when they are left to Pod's cron.
    pub(super) fn new(config: &DirectoryConfig) -> Result<Option<Rows>, PodError> {
        let missing = |key| PodError::Settings {
            key,
            why: "is needed for claim_row".into(),
        };
        let way = match config.claim_row {
            ClaimRow::Cron => return Ok(None),
            ClaimRow::Rest => {
                let api = config.api().ok_or_else(|| missing("url"))?;
                Way::Rest(Box::new(Api::new(&api)?), OnceCell::new())
            }
            ClaimRow::Sql => {
                let database = config
                    .database
                    .as_ref()
                    .ok_or_else(|| missing("database"))?;
                Way::Sql(Box::new(Database::new(database)?), OnceCell::new())
            }
        };
        let recorder = config.recorder.clone().ok_or_else(|| missing("recorder"))?;
        Ok(Some(Rows { recorder, way }))
    }

    /// How many questions Pod has been asked.
    pub(super) fn asked(&self) -> u64 {
        match &self.way {
            Way::Rest(api, _) => api.asked(),
            Way::Sql(database, _) => database.asked(),
        }
    }

    /// Finds the recorder in Pod.
    pub(super) async fn prepare(&self) -> Result<(), PodError> {
        match &self.way {
            Way::Rest(api, recorder) => self.recorder(api, recorder).await.map(|_| ()),
            Way::Sql(database, target) => self.target(database, target).await.map(|_| ()),
        }
    }

    /// Makes the row of a file, which Pod sees under this name.
    pub(super) async fn make(&self, here: &Path, seen: &str, bytes: u64) -> Result<(), PodError> {
        match &self.way {
            Way::Rest(api, recorder) => {
                let recorder = self.recorder(api, recorder).await?;
                by_rest(api, recorder, here, seen, bytes).await
            }
            Way::Sql(database, target) => {
                let target = self.target(database, target).await?;
                by_sql(database, target, here, seen, bytes).await
            }
        }
    }

    /// What [`Rows::make`] would do, as a person would type it.
    pub(super) async fn shown(&self, seen: &str, bytes: u64) -> Result<Vec<String>, PodError> {
        Ok(match &self.way {
            Way::Rest(api, recorder) => {
                let recorder = self.recorder(api, recorder).await?;
                vec![format!(
                    "POST {TREATMENTS} file={seen} file_size={bytes} recorder={recorder} type=video"
                )]
            }
            Way::Sql(database, target) => {
                let target = self.target(database, target).await?;
                let statements = [
                    target.insert(database.dialect(), seen, bytes),
                    update(seen, bytes),
                ];
                statements
                    .iter()
                    .map(|(sql, values)| shown(database.dialect(), sql, values))
                    .collect()
            }
        })
    }

    async fn recorder<'a>(
        &self,
        api: &Api,
        known: &'a OnceCell<String>,
    ) -> Result<&'a str, PodError> {
        let looked = known.get_or_try_init(|| async {
            site::version(api).await?;
            let mut catalogue = Catalogue::default();
            let link = catalogue.link(api, List::Recorders, &self.recorder).await?;
            link.map_err(|why| PodError::Settings {
                key: "recorder",
                why,
            })
        });
        Ok(looked.await?)
    }

    async fn target<'a>(
        &self,
        database: &Database,
        known: &'a OnceCell<Target>,
    ) -> Result<&'a Target, PodError> {
        let looked = known.get_or_try_init(|| async {
            let table = Table::look(database, TABLE, &COLUMNS).await?;
            let mut named = COLUMNS.to_vec();
            named.push("id");
            Ok::<_, PodError>(Target {
                recorder: self.recorder_id(database).await?,
                more: table.fillers(&named)?,
                length: table.length("file"),
            })
        });
        looked.await
    }

    async fn recorder_id(&self, database: &Database) -> Result<i64, PodError> {
        Table::look(database, "recorder_recorder", &["id", "name"]).await?;
        let sql = "SELECT id, name FROM recorder_recorder ORDER BY id";
        let rows = database.rows("reading the recorders", sql, &[]).await?;
        let all: Vec<(i64, String)> = rows
            .into_iter()
            .filter_map(|row| {
                let mut cells = row.into_iter().map(Option::unwrap_or_default);
                Some((cells.next()?.parse().ok()?, cells.next()?))
            })
            .collect();
        let fits = |(id, name): &&(i64, String)| match &self.recorder {
            Chosen::Id(wanted) => i64::try_from(*wanted) == Ok(*id),
            Chosen::Title(wanted) => wanted == name,
        };
        if let [(id, _)] = all.iter().filter(fits).collect::<Vec<_>>()[..] {
            return Ok(*id);
        }
        let names: Vec<_> = all
            .iter()
            .map(|(id, name)| format!("\"{name}\" ({id})"))
            .collect();
        Err(PodError::Settings {
            key: "recorder",
            why: format!(
                "Pod does not have {}; it has {}",
                self.recorder,
                names.join(", ")
            ),
        })
    }

    /// What can be tried without leaving anything behind.
    pub(super) async fn check(&self, directory: &Path, told: &str) -> Vec<Finding> {
        if let Err(error) = self.prepare().await {
            return vec![error.into()];
        }
        let (database, target) = match &self.way {
            Way::Rest(api, _) => {
                let right = format!(
                    "{}: the token and the recorder of the claim rows are right",
                    api.base()
                );
                let seen = seen_by_pod(api, directory, Some(told)).await;
                return vec![Finding::fine(right), seen];
            }
            Way::Sql(database, target) => (database, target),
        };
        let tried = async {
            const TRYING: &str = "trying to make a row";
            let target = self.target(database, target).await?;
            let mut tx = database.begin(TRYING).await?;
            let seen = format!("{told}/bbb2pod-check.mp4");
            let (sql, values) = target.insert(database.dialect(), &seen, 1);
            tx.execute(TRYING, &sql, &values).await?;
            let (sql, values) = update(&seen, 2);
            tx.execute(TRYING, &sql, &values).await?;
            tx.undo(TRYING).await?;
            Ok::<_, PodError>(())
        };
        vec![match tried.await {
            Ok(()) => Finding::fine(format!(
                "{}: a row of the claim page can be made (tried, and undone)",
                database.name()
            )),
            Err(error) => Finding::wrong(
                error.to_string(),
                format!(
                    "grant the account SELECT, INSERT and UPDATE on {TABLE}, and SELECT on \
                     recorder_recorder"
                ),
            ),
        }]
    }
}

async fn by_rest(
    api: &Api,
    recorder: &str,
    here: &Path,
    seen: &str,
    bytes: u64,
) -> Result<(), PodError> {
    let form = Form::new()
        .text("file", seen.to_owned())
        .text("file_size", bytes.to_string())
        .text("recorder", recorder.to_owned())
        .text("type", "video");
    let error = match api.write(MAKING, Method::POST, TREATMENTS, form).await {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    let refused = matches!(error, PodError::Refused { status: 400, .. });
    if !refused && !error.outcome_is_unknown() {
        return Err(error);
    }
    let file = [("file", seen)];
    let known = api
        .find(MAKING, TREATMENTS, &file, |row| {
            (row["file"].as_str() == Some(seen)).then_some(())
        })
        .await?;
    // A file that somebody has claimed meanwhile is no choice of Pod's any more.
    if known.is_some() || !is_there(here).await? {
        return Ok(());
    }
    match error {
        PodError::Refused {
            doing,
            url,
            status,
            said,
        } => Err(PodError::Refused {
            doing,
            url,
            status,
            said: format!(
                "{said}; Pod does not see the file there: check destination.pod_directory"
            ),
        }),
        other => Err(other),
    }
}

impl Target {
    fn insert<'a>(&self, dialect: Dialect, seen: &'a str, bytes: u64) -> (String, Vec<Value<'a>>) {
        let (moment, from) = match dialect {
            Dialect::MySql => ("CAST(? AS DATETIME(6))", " FROM DUAL"),
            Dialect::Postgres => ("CAST(? AS timestamptz)", ""),
        };
        let mut columns = COLUMNS.join(", ");
        let mut values = format!("?, ?, {moment}, TRUE, 'video', ?");
        for (column, value) in &self.more {
            columns += &format!(", {column}");
            values += &format!(", {value}");
        }
        let sql = format!(
            "INSERT INTO {TABLE} ({columns}) SELECT {values}{from} \
             WHERE NOT EXISTS (SELECT 1 FROM {TABLE} WHERE file = ?)"
        );
        let bound = vec![
            Value::Text(seen),
            Value::Number(i64::try_from(bytes).unwrap_or(i64::MAX)),
            Value::Moment(Timestamp::now()),
            Value::Number(self.recorder),
            Value::Text(seen),
        ];
        (sql, bound)
    }
}

/// The row that Pod's cron has made before shows now, too.
fn update(seen: &str, bytes: u64) -> (String, Vec<Value<'_>>) {
    let sql =
        format!("UPDATE {TABLE} SET require_manual_claim = TRUE, file_size = ? WHERE file = ?");
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    (sql, vec![Value::Number(bytes), Value::Text(seen)])
}

async fn by_sql(
    database: &Database,
    target: &Target,
    here: &Path,
    seen: &str,
    bytes: u64,
) -> Result<(), PodError> {
    if let Some(most) = target.length
        && seen.chars().count() > most
    {
        return Err(PodError::TooLong {
            url: seen.to_owned(),
            most,
        });
    }
    let mut tx = database.begin(MAKING).await?;
    // Pod removes the row when the file is claimed, and a row without a file can be claimed by
    // nobody.
    if !is_there(here).await? {
        return Ok(tx.undo(MAKING).await?);
    }
    let done = async {
        let (sql, values) = target.insert(database.dialect(), seen, bytes);
        tx.execute(MAKING, &sql, &values).await?;
        let (sql, values) = update(seen, bytes);
        tx.execute(MAKING, &sql, &values).await?;
        Ok::<_, DatabaseError>(())
    };
    match done.await {
        Ok(()) => Ok(tx.commit(MAKING).await?),
        Err(error) => {
            tx.undo(MAKING).await.ok();
            Err(error.into())
        }
    }
}

/// Whether Pod sees a file that is put into a directory, and under the path that it would be told.
pub(in crate::pod) async fn seen_by_pod(
    api: &Api,
    directory: &Path,
    told: Option<&str>,
) -> Finding {
    let name = format!(".bbb2pod-probe-{}.part", std::process::id());
    let probe = directory.join(&name);
    if let Err(error) = std::fs::write(&probe, b"bbb2pod looks whether Pod sees this\n") {
        return PodError::file("write", &probe)(error).into();
    }
    let found = crate::pod::upload::sees(api, &name).await;
    // The finding says more than a file that cannot be removed.
    let _ = std::fs::remove_file(&probe);
    let wanted = match told {
        Some(told) => format!("{}/{name}", told.trim_end_matches('/')),
        None => probe.to_string_lossy().into_owned(),
    };
    match found {
        Ok(Some(path)) if path == wanted => Finding::fine("Pod sees files that are put there"),
        Ok(Some(path)) => {
            let parent = Path::new(&path).parent().unwrap_or(Path::new("/"));
            Finding::wrong(
                format!("Pod sees what is put there as {path}"),
                format!("set destination.pod_directory to {}", parent.display()),
            )
        }
        Ok(None) => Finding::wrong(
            "Pod does not see files that are put there",
            "use a folder below DEFAULT_RECORDER_PATH of Pod, on a disk that both mount",
        ),
        Err(error) => error.into(),
    }
}

async fn is_there(here: &Path) -> Result<bool, PodError> {
    let here: PathBuf = here.into();
    tokio::fs::try_exists(&here)
        .await
        .map_err(PodError::file("look at", &here))
}
