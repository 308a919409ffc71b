//! Writes the chapters that explain every setting: `make reference`.

use std::fs;
use std::process::ExitCode;

use support::book;

fn main() -> ExitCode {
    let chapters = match book::both(&book::files()) {
        Ok(chapters) => chapters,
        Err(missing) => {
            eprintln!("{}", book::advice(&missing, &book::table_path()));
            return ExitCode::from(2);
        }
    };
    for (path, text) in book::chapters().iter().zip(chapters) {
        if let Err(error) = fs::write(path, text) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
