//! CSV files written by people: semicolons, commas or tabs, a header that names the columns.

use std::fs;
use std::path::Path;

/// A line of a table: its number in the file, and its cells in the order asked for; `None` for
/// empty cells and for columns that are not there.
pub(super) type Line = (u64, Vec<Option<String>>);

/// Reads these columns of a table, by the names in its header. The first has to be there.
pub(super) fn read(path: &Path, columns: &[&str]) -> Result<Vec<Line>, String> {
    let at = |why: String| format!("{}: {why}", path.display());
    let text = fs::read(path).map_err(|e| at(e.to_string()))?;
    let text = String::from_utf8(text).map_err(|e| {
        at(format!(
            "it is not UTF-8 text (byte {})",
            e.utf8_error().valid_up_to()
        ))
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let header = text.lines().next().unwrap_or_default();
    let separator = [b';', b'\t', b',']
        .into_iter()
        .find(|separator| header.as_bytes().contains(separator))
        .unwrap_or(b';');
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(separator)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let names = reader.headers().map_err(|e| at(e.to_string()))?.clone();
    let places: Vec<Option<usize>> = columns
        .iter()
        .map(|column| {
            names
                .iter()
                .position(|name| name.eq_ignore_ascii_case(column))
        })
        .collect();
    if places.iter().all(Option::is_none) {
        return Err(at(format!(
            "line 1 names none of the columns {}",
            columns.join(", ")
        )));
    }
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| at(e.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells: Vec<Option<String>> = places
            .iter()
            .map(|place| {
                let cell = place
                    .and_then(|place| record.get(place))
                    .unwrap_or_default();
                (!cell.is_empty()).then(|| cell.to_owned())
            })
            .collect();
        if cells.iter().any(Option::is_some) {
            lines.push((line, cells));
        }
    }
    Ok(lines)
}
