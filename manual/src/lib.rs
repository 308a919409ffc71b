//! Man pages and shell completions of a program, written from its definition in clap, so that they
//! say what `--help` says.
//!
//! The text after the options in `--help` becomes sections of its own: a paragraph that begins
//! with `Examples:` the section EXAMPLES, one with `Exit codes:` EXIT STATUS, any other NOTES.

pub mod reference;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use serde_json::Value;

/// The title over every page.
const MANUAL: &str = "bbb2pod";
/// Shells that get completions.
const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// What [`write()`] is told on the command line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  What the packages ship, into a folder; it is made when it is not there:
    bbb2pod-hook manual /tmp/manual

Exit codes: 0 written; 1 the folder cannot be written.")]
pub struct Args {
    /// The folder: pages go into man1/, completions into completions/, the settings' JSON Schema
    /// beside them
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
}

/// Writes a page for the program and one for each of its commands into `dir/man1`, and completions
/// into `dir/completions`, and the schema of the program's settings beside them.
///
/// # Errors
/// The folder cannot be made or written.
pub fn write(mut program: Command, settings: &Value, dir: &Path) -> io::Result<()> {
    let pages = dir.join("man1");
    let completions = dir.join("completions");
    fs::create_dir_all(&pages)?;
    fs::create_dir_all(&completions)?;
    let mut built = program.clone();
    built.build();
    page_of(&built, None, &pages)?;
    let name = program.get_name().to_owned();
    for shell in SHELLS {
        clap_complete::generate_to(shell, &mut program, &name, &completions)?;
    }
    fs::write(
        dir.join(format!("{name}.schema.json")),
        format!("{settings:#}\n"),
    )
}

/// The commands below one that people are told of; `help` is there without saying.
fn below(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|c| !c.is_hide_set() && c.get_name() != "help")
}

/// The page of a command, and those of the commands below it.
fn page_of(command: &Command, above: Option<&str>, dir: &Path) -> io::Result<()> {
    let below: Vec<&Command> = below(command).collect();
    let name = name_of(command);
    for command in &below {
        page_of(command, Some(name), dir)?;
    }
    let version = command.get_version().unwrap_or_default();
    let man = Man::new(command.clone().disable_help_subcommand(true));
    let mut page = Vec::new();
    // No date: the same program gives the same page on any day.
    writeln!(
        page,
        ".TH {name} 1 \"\" \"{MANUAL} {version}\" \"{MANUAL}\""
    )?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    if command.get_arguments().any(|a| !a.is_hide_set()) {
        man.render_options_section(&mut page)?;
    }
    if !below.is_empty() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::new();
    if let Some(text) = command.get_after_long_help().or(command.get_after_help()) {
        sections(&mut rest, &text.to_string());
    }
    see_also(&mut rest, above, &below);
    rest.to_writer(&mut page)?;
    fs::write(dir.join(man.get_filename()), page)
}

fn name_of(command: &Command) -> &str {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
}

/// Turns the paragraphs after the options into sections.
fn sections(page: &mut Roff, text: &str) {
    for paragraph in text.split("\n\n").filter(|p| !p.trim().is_empty()) {
        let (heading, body) = match paragraph.split_once(':') {
            Some(("Example" | "Examples", body)) => ("EXAMPLES", body),
            Some(("Exit codes", body)) => ("EXIT STATUS", body),
            _ => ("NOTES", paragraph),
        };
        page.control("SH", [heading]);
        let lines = body.lines().filter(|line| !line.trim().is_empty());
        if heading == "EXAMPLES" {
            page.control("nf", []);
            for line in lines {
                page.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
            }
            page.control("fi", []);
        } else {
            page.text(
                lines
                    .map(|line| roman(format!("{} ", line.trim())))
                    .collect::<Vec<_>>(),
            );
        }
    }
}

fn see_also(page: &mut Roff, above: Option<&str>, below: &[&Command]) {
    let names = above.into_iter().chain(below.iter().map(|c| name_of(c)));
    let list: Vec<String> = names.map(|name| format!("{name}(1)")).collect();
    if !list.is_empty() {
        page.control("SH", ["SEE ALSO"]);
        page.text([roman(list.join(", "))]);
    }
}

/// Commands without any example in their help, by their whole names; hidden ones do not count.
///
/// A page without an example is of little use, so a test of each program wants this empty.
#[must_use]
pub fn without_example(mut program: Command) -> Vec<OsString> {
    fn look(command: &Command, found: &mut Vec<OsString>) {
        let mut is_leaf = true;
        for command in below(command) {
            is_leaf = false;
            look(command, found);
        }
        let help = command.get_after_long_help().or(command.get_after_help());
        let has_example = help.is_some_and(|text| text.to_string().contains("Example"));
        if is_leaf && !has_example {
            found.push(name_of(command).into());
        }
    }
    program.build();
    let mut found = Vec::new();
    look(&program, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Arg;

    fn program() -> Command {
        let hidden = Command::new("inner").hide(true);
        let list = Command::new("list")
            .about("List them")
            .after_help("Examples:\n  All of them:\n    tool node list\n\nExit codes: 0 listed;\n1 not.\n\nA word more.");
        let node = Command::new("node").about("The nodes").subcommand(list);
        let check = Command::new("check").arg(Arg::new("json").long("json"));
        Command::new("tool")
            .version("1.2")
            .subcommands([node, check, hidden])
    }

    #[test]
    fn every_command_has_its_page_and_every_shell_its_completions() {
        let dir = tempfile::tempdir().unwrap();
        write(program(), &Value::Null, dir.path()).unwrap();
        let names = |sub: &str| {
            let entries = fs::read_dir(dir.path().join(sub)).unwrap();
            let mut names: Vec<String> = entries
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        assert_eq!(
            names("man1"),
            ["tool-check.1", "tool-node-list.1", "tool-node.1", "tool.1"]
        );
        assert_eq!(names("completions"), ["_tool", "tool.bash", "tool.fish"]);
    }

    #[test]
    fn the_end_of_the_help_becomes_sections() {
        let dir = tempfile::tempdir().unwrap();
        write(program(), &Value::Null, dir.path()).unwrap();
        let page = fs::read_to_string(dir.path().join("man1/tool-node-list.1")).unwrap();
        let from = page.find(".SH EXAMPLES").unwrap();
        let expected = ".SH EXAMPLES
.nf
All of them:
  tool node list
.fi
.SH \"EXIT STATUS\"
0 listed; 1 not. 
.SH NOTES
A word more. 
.SH \"SEE ALSO\"
tool\\-node(1)
";
        assert_eq!(&page[from..], expected);
    }

    #[test]
    fn commands_without_an_example_are_named() {
        assert_eq!(without_example(program()), ["tool-check"]);
    }
}
