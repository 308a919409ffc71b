//! Programs of this workspace as child processes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::eventually;

/// The path of a program built by this workspace, found beside the running test.
///
/// # Panics
/// It has not been built.
pub fn program(name: &str) -> PathBuf {
    let running = std::env::current_exe().expect("the path of this program");
    let found = running
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built; run: cargo build --release --workspace"))
}

/// What a finished command said.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn of(command: &mut Command) -> Finished {
        let output = command
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Finished {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Standard output, when the exit code is 0.
    ///
    /// # Panics
    /// The command failed.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(
            self.code,
            Some(0),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self.stdout
    }

    /// Standard error, when the exit code is `code`.
    ///
    /// # Panics
    /// The exit code is another.
    #[track_caller]
    pub fn failure(self, code: i32) -> String {
        assert_eq!(
            self.code,
            Some(code),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self.stderr
    }

    /// Both outputs.
    pub fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A program under way, its output in a file. It is killed when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts a command, its output appended to `log`.
    ///
    /// # Panics
    /// It cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Running {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log of a child process");
        let err = out.try_clone().expect("the log of a child process");
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        Running {
            child,
            log: log.to_owned(),
        }
    }

    /// What it has said so far.
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(&self.log) {
            let _ = file.read_to_end(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the state of a child process")
    }

    /// Ends it with SIGKILL, as a power cut or the kernel's OOM killer would, and its children
    /// (ffmpeg) too, as systemd would.
    pub fn kill(mut self) {
        self.kill_now();
    }

    /// Asks it to end with SIGTERM and waits for that.
    pub fn terminate(mut self, limit: Duration) -> ExitStatus {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).expect("a signal to a child process");
        eventually("a program ends after SIGTERM", limit, || self.ended())
    }

    fn kill_now(&mut self) {
        let descendants = descendants_of(self.child.id());
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in descendants {
            if let Some(pid) = Pid::from_raw(pid as i32) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
        self.kill_now();
    }
}

/// Children and their children, by what /proc says now.
fn descendants_of(pid: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut open = vec![pid];
    while let Some(parent) = open.pop() {
        let tasks = std::fs::read_dir(format!("/proc/{parent}/task"))
            .into_iter()
            .flatten()
            .flatten();
        for task in tasks {
            let children =
                std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children
                .split_whitespace()
                .filter_map(|word| word.parse().ok())
            {
                found.push(child);
                open.push(child);
            }
        }
    }
    found
}

/// A command of this workspace.
pub(super) fn command<I, S>(name: &str, arguments: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(program(name));
    command.args(arguments);
    command
}
