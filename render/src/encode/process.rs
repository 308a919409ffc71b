//! Child processes that are never left behind: each in a process group of its own, watched while
//! we wait for it, killed with us, and with its last words kept for the error.
//!
//! When this process dies without a chance to clean up, the kernel kills them on its behalf. Where
//! there is no such kernel, the pipe to or from each of them closes, and ffmpeg ends by itself.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::error::Error;

const LAST_WORDS: usize = 20;
const LONGEST_LINE: u64 = 2000;
const PIPE_BYTES: usize = 1 << 20;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The children of one conversion.
#[derive(Debug)]
pub(crate) struct Processes {
    began: Instant,
    patience: Duration,
    stopping: AtomicBool,
    alive: Mutex<Vec<Weak<Inner>>>,
}

#[derive(Debug)]
struct Inner {
    doing: String,
    program: String,
    began: Instant,
    child: Mutex<Child>,
    /// Milliseconds since `began`, plus one, at which we began to wait for it; 0 while we do not.
    waiting_since: AtomicU64,
    stalled: AtomicBool,
    last_words: Arc<Mutex<VecDeque<String>>>,
}

/// A running child; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    inner: Arc<Inner>,
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    listener: Option<JoinHandle<()>>,
}

/// What is connected to us by a pipe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pipe {
    /// We write to its standard input.
    Input,
    /// We read its standard output.
    Output,
}

impl Processes {
    /// `patience` is how long a child may keep us waiting before it is taken for stuck.
    pub(crate) fn new(patience: Duration) -> Processes {
        Processes {
            began: Instant::now(),
            patience,
            stopping: AtomicBool::new(false),
            alive: Mutex::default(),
        }
    }

    /// Starts a command; `doing` completes the sentence "ffmpeg failed while …".
    pub(crate) fn spawn(
        &self,
        command: &mut Command,
        doing: &str,
        pipe: Pipe,
    ) -> Result<Process, Error> {
        if self.stopping.load(Ordering::Relaxed) {
            return Err(Error::Stopped);
        }
        let program = command.get_program().to_string_lossy().into_owned();
        command.process_group(0).stderr(Stdio::piped());
        die_with_us(command);
        match pipe {
            Pipe::Input => command.stdin(Stdio::piped()).stdout(Stdio::null()),
            Pipe::Output => command.stdin(Stdio::null()).stdout(Stdio::piped()),
        };
        let mut child = command
            .spawn()
            .map_err(|source| Error::cannot_run(&program, source))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take();
        // A larger pipe saves changes between processes; where it is refused, the usual one does.
        if let Some(pipe) = &stdin {
            rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES).ok();
        }
        if let Some(pipe) = &stdout {
            rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES).ok();
        }
        let last_words = Arc::new(Mutex::new(VecDeque::new()));
        let listener = child.stderr.take().map(|stderr| {
            let last_words = Arc::clone(&last_words);
            std::thread::spawn(move || listen(stderr, &last_words))
        });
        let inner = Arc::new(Inner {
            doing: doing.to_string(),
            program,
            began: self.began,
            child: Mutex::new(child),
            waiting_since: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
            last_words,
        });
        let mut alive = locked(&self.alive);
        alive.retain(|child| child.strong_count() > 0);
        alive.push(Arc::downgrade(&inner));
        drop(alive);
        let process = Process {
            inner,
            stdin,
            stdout,
            listener,
        };
        // Between the check above and the entry in the list somebody may have asked to stop.
        if self.stopping.load(Ordering::SeqCst) {
            return Err(Error::Stopped);
        }
        Ok(process)
    }

    /// Kills every child, and every one that is still to be started.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        for child in locked(&self.alive).iter().filter_map(Weak::upgrade) {
            child.kill();
        }
    }

    /// Kills the children that have kept us waiting for too long; to be called now and then.
    pub(crate) fn kill_stuck(&self) {
        let now = since(self.began);
        for child in locked(&self.alive).iter().filter_map(Weak::upgrade) {
            let waiting = child.waiting_since.load(Ordering::Relaxed);
            if waiting != 0 && u128::from(now.saturating_sub(waiting)) > self.patience.as_millis() {
                child.stalled.store(true, Ordering::Relaxed);
                child.kill();
            }
        }
    }
}

impl Inner {
    fn kill(&self) {
        let child = locked(&self.child);
        // `id` stays ours until `wait` has collected it, which happens under the same lock.
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            rustix::process::kill_process_group(pid, Signal::KILL).ok();
        }
    }

    fn waited<T>(&self, wait: impl FnOnce() -> T) -> T {
        self.waiting_since
            .store(since(self.began), Ordering::Relaxed);
        let result = wait();
        self.waiting_since.store(0, Ordering::Relaxed);
        result
    }
}

impl Process {
    /// Writes to its standard input.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        self.inner.waited(|| stdin.write_all(bytes))
    }

    /// Reads some of its standard output; 0 at its end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let stdout = self.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        self.inner.waited(|| stdout.read(buffer))
    }

    /// Fills the buffer from its standard output; `false` when the output ended before.
    pub(crate) fn read_exactly(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let stdout = self.stdout.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        match self.inner.waited(|| stdout.read_exact(buffer)) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Ends its input, and waits until it is done.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.stdin = None;
        let status = self
            .status()
            .map_err(|source| Error::cannot_run(&self.inner.program, source))?;
        if status.success() {
            return Ok(());
        }
        Err(self.failure(status))
    }

    /// What it has said last on its standard error.
    pub(crate) fn last_words(&self) -> Vec<String> {
        locked(&self.inner.last_words).iter().cloned().collect()
    }

    fn status(&mut self) -> io::Result<ExitStatus> {
        let inner = Arc::clone(&self.inner);
        // Its standard error closes when it ends, so that the lock is only taken for a moment.
        let listener = self.listener.take();
        inner.waited(|| {
            listener.map(JoinHandle::join);
        });
        locked(&inner.child).wait()
    }

    fn failure(&self, status: ExitStatus) -> Error {
        Error::child_failed(
            &self.inner.program,
            &self.inner.doing,
            status,
            self.inner.stalled.load(Ordering::Relaxed),
            self.last_words(),
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stdin = None;
        self.stdout = None;
        if self.listener.is_some() {
            self.inner.kill();
            // Collects it, so that no zombie stays.
            self.status().ok();
        }
    }
}

/// Runs a command to its end and gives what it wrote to its standard output, at most `limit` bytes.
pub(crate) fn output_of(
    processes: &Processes,
    command: &mut Command,
    doing: &str,
    limit: usize,
) -> Result<Vec<u8>, Error> {
    let process = processes.spawn(command, doing, Pipe::Output)?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                std::thread::park_timeout(LOOK_EVERY);
                processes.kill_stuck();
            }
        });
        let output = all_output(process, limit);
        over.store(true, Ordering::Release);
        watcher.thread().unpark();
        output
    })
}

fn all_output(mut process: Process, limit: usize) -> Result<Vec<u8>, Error> {
    let mut output = Vec::new();
    let mut buffer = [0; 1 << 14];
    while output.len() < limit {
        match process.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(n) => output.extend_from_slice(&buffer[..n]),
        }
    }
    process.stdout = None;
    process.finish()?;
    Ok(output)
}

/// A command of ffmpeg or ffprobe that says nothing but errors.
pub(crate) fn quiet(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.args(["-hide_banner", "-v", "error"]);
    command
}

/// Has the kernel kill the child when the thread that starts it ends, however it does: every
/// thread here outlives the children that it starts.
#[cfg(target_os = "linux")]
#[allow(
    unsafe_code,
    reason = "there is no other way to have something done between fork and exec"
)]
fn die_with_us(command: &mut Command) {
    // SAFETY: between fork and exec only what is safe in a signal handler may be done. This is one
    // system call: it takes no lock, and allocates nothing.
    unsafe {
        command.pre_exec(|| {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
                .map_err(io::Error::from)
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_: &mut Command) {}

fn listen(stderr: impl Read, last_words: &Mutex<VecDeque<String>>) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut stderr)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let said = String::from_utf8_lossy(&line).trim_end().to_string();
        if said.is_empty() {
            continue;
        }
        let mut words = locked(last_words);
        if words.len() == LAST_WORDS {
            words.pop_front();
        }
        words.push_back(said);
    }
}

fn since(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis())
        .unwrap_or(u64::MAX - 1)
        .saturating_add(1)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn last_words_are_in_the_error() {
        let processes = Processes::new(Duration::from_secs(60));
        let process = processes
            .spawn(
                &mut shell("for i in $(seq 30); do echo line $i >&2; done; exit 3"),
                "trying",
                Pipe::Output,
            )
            .unwrap();
        let error = process.finish().unwrap_err().to_string();
        assert!(error.contains("trying"), "{error}");
        assert!(
            error.contains("line 30") && error.contains("line 11"),
            "{error}"
        );
        assert!(!error.contains("line 10\n"), "{error}");
    }

    #[test]
    fn missing_programs_are_named() {
        let processes = Processes::new(Duration::from_secs(60));
        let error = processes
            .spawn(&mut Command::new("/none/ffmpeg"), "trying", Pipe::Output)
            .unwrap_err();
        assert!(error.to_string().contains("/none/ffmpeg"), "{error}");
    }

    #[test]
    fn dropping_kills_the_whole_group() {
        let processes = Processes::new(Duration::from_secs(60));
        let began = Instant::now();
        let process = processes
            .spawn(
                &mut shell("sleep 100 & sleep 100"),
                "sleeping",
                Pipe::Output,
            )
            .unwrap();
        drop(process);
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn who_keeps_us_waiting_is_killed_and_the_error_says_so() {
        let processes = Processes::new(Duration::from_millis(50));
        let mut process = processes
            .spawn(&mut shell("sleep 100"), "sleeping", Pipe::Output)
            .unwrap();
        std::thread::scope(|scope| {
            let watch = scope.spawn(|| {
                while processes.alive.lock().unwrap()[0].strong_count() > 0 {
                    std::thread::sleep(Duration::from_millis(20));
                    processes.kill_stuck();
                }
            });
            assert_eq!(process.read(&mut [0; 10]).unwrap(), 0);
            let error = process.finish().unwrap_err();
            assert!(error.is_transient(), "{error}");
            assert!(error.to_string().contains("no progress"), "{error}");
            watch.join().unwrap();
        });
    }

    #[test]
    fn nothing_starts_after_stop() {
        let processes = Processes::new(Duration::from_secs(60));
        let process = processes
            .spawn(&mut shell("sleep 100"), "sleeping", Pipe::Output)
            .unwrap();
        processes.stop();
        assert!(process.finish().is_err());
        assert!(matches!(
            processes.spawn(&mut shell("true"), "trying", Pipe::Output),
            Err(Error::Stopped)
        ));
    }
}
