//! `--report FILE`: what was decided on each recording, for scripts and spreadsheets.

use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use recording::durable;
use serde::Serialize;

use crate::error::Error;

/// A file whose name says what is written into it.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    path: PathBuf,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Csv,
    Json,
}

/// A line of a report.
pub(crate) trait Row: Serialize {
    /// What stands above the columns.
    const HEAD: &'static [&'static str];

    /// One text for each column.
    fn cells(&self) -> Vec<String>;
}

impl FromStr for Report {
    type Err = String;

    fn from_str(text: &str) -> Result<Report, String> {
        let path = PathBuf::from(text);
        let form = match path.extension().and_then(|e| e.to_str()) {
            Some(e) if e.eq_ignore_ascii_case("csv") => Form::Csv,
            Some(e) if e.eq_ignore_ascii_case("json") => Form::Json,
            _ => return Err("its name must end with .csv or .json".to_owned()),
        };
        Ok(Report { path, form })
    }
}

impl Report {
    /// Writes the file before anything is done, with what is known already, so that nothing is done
    /// of which no report could tell.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn begin<R: Row>(&self, rows: &[R]) -> Result<(), Error> {
        let written = self.try_write(rows);
        written.map_err(|e| Error::input(format!("--report {}: {e}", self.path.display())))
    }

    /// Writes the file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write<R: Row>(&self, rows: &[R]) -> Result<(), Error> {
        let written = self.try_write(rows);
        written.map_err(|e| Error::disk("cannot write", &self.path, &e))
    }

    fn try_write<R: Row>(&self, rows: &[R]) -> io::Result<()> {
        let text = match self.form {
            Form::Json => serde_json::to_vec_pretty(rows)?,
            Form::Csv => {
                let mut text = R::HEAD.join(",") + "\n";
                for row in rows {
                    let cells: Vec<_> = row.cells().iter().map(|cell| quoted(cell)).collect();
                    text.push_str(&cells.join(","));
                    text.push('\n');
                }
                text.into_bytes()
            }
        };
        durable::write(&self.path, &text)
    }
}

fn quoted(cell: &str) -> String {
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Line(&'static str, &'static str);

    impl Row for Line {
        const HEAD: &'static [&'static str] = &["id", "reason"];

        fn cells(&self) -> Vec<String> {
            vec![self.0.to_owned(), self.1.to_owned()]
        }
    }

    #[test]
    fn the_name_says_the_form_and_cells_stay_cells() {
        let dir = tempfile::tempdir().unwrap();
        let report = |name: &str| {
            dir.path()
                .join(name)
                .display()
                .to_string()
                .parse::<Report>()
        };
        assert!(report("x.txt").unwrap_err().contains(".csv or .json"));
        assert!(report("x").is_err());
        let lines = [Line("a-1", "it wants \"7\", it has \"8\""), Line("a-2", "")];
        report("x.CSV").unwrap().write(&lines).unwrap();
        let text = std::fs::read_to_string(dir.path().join("x.CSV")).unwrap();
        assert_eq!(
            text,
            "id,reason\na-1,\"it wants \"\"7\"\", it has \"\"8\"\"\"\na-2,\n"
        );
        report("x.json").unwrap().begin::<Line>(&[]).unwrap();
        let text = std::fs::read_to_string(dir.path().join("x.json")).unwrap();
        assert_eq!(text, "[]");
        let nowhere = report("no/where.csv").unwrap();
        let nowhere = nowhere.begin::<Line>(&[]).unwrap_err();
        assert_eq!(nowhere.exit_code(), 2);
    }
}
