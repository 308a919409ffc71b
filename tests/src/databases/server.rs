//! One server process on a scratch folder.
//!
//! A small shell stands between this process and the server. It waits at a pipe that only this
//! process holds open; when the pipe closes, which the kernel sees to even after SIGKILL, it ends
//! the server and removes the data.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use super::Engine;
use crate::harness::{Finished, eventually_or, free_port};

/// The account that may do everything, and its password.
pub(super) const ADMIN: &str = "tests";
pub(super) const PASSWORD: &str = "tests-password";

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// Both servers refuse to run as root; under root they run as this account.
const ACCOUNT: &str = "nobody";

const KEEPER: &str = r#"
trap '' INT TERM HUP
folder=$1 signal=$2
shift 2
"$@" >>"$folder/log" 2>&1 </dev/null &
server=$!
echo $server >"$folder/pid"
read -r word
if [ "$word" = keep ]; then kill -QUIT $server; else kill -"$signal" $server; fi
wait
[ "$word" = keep ] || rm -rf "$folder"
"#;

/// A running database server. It is ended, and its data removed, when dropped, and also when the
/// process ends without dropping it.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    folder: PathBuf,
    port: u16,
    keeper: Option<(Child, ChildStdin)>,
}

impl Server {
    /// Makes a server with empty data and starts it.
    ///
    /// # Panics
    /// It is not installed, or does not start.
    pub fn start(engine: Engine) -> Server {
        let folder = tempfile::Builder::new()
            .prefix("bbb2pod-db-")
            .tempdir()
            .expect("a scratch folder")
            .keep();
        let server = Server {
            engine,
            port: free_port(),
            folder,
            keeper: None,
        };
        server.give_away(&server.folder);
        server.make_data();
        server.with_keeper()
    }

    fn with_keeper(mut self) -> Server {
        self.resume();
        self
    }

    /// Ends the server and keeps its data, as when it is down.
    ///
    /// # Panics
    /// It does not end.
    pub fn stop(&mut self) {
        if let Some((mut keeper, mut pipe)) = self.keeper.take() {
            pipe.write_all(b"keep\n").expect("a word to the keeper");
            drop(pipe);
            keeper.wait().expect("the end of the keeper");
        }
    }

    /// Starts it again with the data and on the port it had.
    ///
    /// # Panics
    /// It does not start.
    pub fn resume(&mut self) {
        let _ = fs::remove_file(self.folder.join("pid"));
        let mut command = Command::new("sh");
        let signal = match self.engine {
            Engine::MariaDb => "KILL",
            Engine::PostgreSql => "QUIT",
        };
        command.args(["-c", KEEPER, "keeper"]);
        command.arg(&self.folder).arg(signal);
        command.args(as_account()).args(self.command_line());
        let mut keeper = command
            .current_dir(&self.folder)
            .process_group(0)
            .stdin(Stdio::piped())
            .spawn()
            .expect("a shell");
        let pipe = keeper.stdin.take().expect("the keeper's pipe");
        self.keeper = Some((keeper, pipe));
        let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        eventually_or("a database server answers", START, log, || {
            let pid = fs::read_to_string(self.folder.join("pid")).ok()?;
            let alive = pid.trim().is_empty() || Path::new("/proc").join(pid.trim()).exists();
            assert!(alive, "the server has ended: {}", log());
            TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            self.try_run(None, "SELECT 1;").ok()
        });
    }

    /// Which kind it is.
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Where its data and its log are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    #[track_caller]
    pub(super) fn run(&self, database: Option<&str>, sql: &str) -> String {
        self.try_run(database, sql)
            .unwrap_or_else(|error| panic!("{error}\n{sql}"))
    }

    /// Runs statements with the server's own command-line client.
    pub(super) fn try_run(&self, database: Option<&str>, sql: &str) -> Result<String, String> {
        let port = self.port.to_string();
        let mut command = match self.engine {
            Engine::MariaDb => {
                let mut command = Command::new("mariadb");
                command.args(["--no-defaults", "--batch", "--skip-column-names"]);
                command.args(["--default-character-set=utf8mb4", "--host=127.0.0.1"]);
                command
                    .args(["-P", &port, "-u", ADMIN])
                    .env("MYSQL_PWD", PASSWORD);
                command.args(database);
                command
            }
            Engine::PostgreSql => {
                let mut command = Command::new(postgresql_program("psql"));
                command.args(["-X", "-q", "-A", "-t", "-F", "\t", "-P", "null=NULL"]);
                command.args(["-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"]);
                command.args([
                    "-p",
                    &port,
                    "-U",
                    ADMIN,
                    "-d",
                    database.unwrap_or("postgres"),
                ]);
                command
                    .env("PGPASSWORD", PASSWORD)
                    .env("PGCLIENTENCODING", "UTF8");
                command
            }
        };
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut client = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
        let mut pipe = client.stdin.take().expect("the client's standard input");
        let sql = sql.to_owned();
        let writing = std::thread::spawn(move || pipe.write_all(sql.as_bytes()));
        let output = client.wait_with_output().map_err(|e| e.to_string())?;
        // A client that has met an error does not read the rest.
        let _ = writing.join();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        match output.status.success() {
            true => Ok(said),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn init_file(&self) -> PathBuf {
        self.folder.join("init.sql")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Lays out the data of an empty server with the one account.
    fn make_data(&self) {
        let mut command = Command::new("env");
        command.args(as_account()).current_dir(&self.folder);
        match self.engine {
            Engine::MariaDb => {
                // The server runs it at every start.
                let sql = format!(
                    "CREATE USER IF NOT EXISTS {ADMIN}@'%' IDENTIFIED BY '{PASSWORD}';\nGRANT ALL ON *.* TO {ADMIN}@'%' WITH GRANT OPTION;\n"
                );
                fs::write(self.init_file(), sql).expect("a file in the scratch folder");
                command.args(["mariadb-install-db", "--no-defaults", "--skip-test-db"]);
                command.arg("--auth-root-authentication-method=normal");
                command.arg(format!("--datadir={}", self.data().display()));
                // Servers that start at once take each other's temporary tables out of a shared one.
                command.arg(format!("--tmpdir={}", self.folder.display()));
            }
            Engine::PostgreSql => {
                let password = self.folder.join("password");
                fs::write(&password, PASSWORD).expect("a file in the scratch folder");
                command.arg(postgresql_program("initdb"));
                command.args(["--no-sync", "--auth=scram-sha-256", "--encoding=UTF8"]);
                command.args(["--locale=C.UTF-8", "-U", ADMIN]);
                command.arg(format!("--pwfile={}", password.display()));
                command.arg("-D").arg(self.data());
            }
        }
        Finished::of(&mut command).success();
    }

    fn command_line(&self) -> Vec<String> {
        let (folder, data) = (self.folder.display(), self.data());
        let (data, port) = (data.display(), self.port);
        match self.engine {
            Engine::MariaDb => vec![
                // Not in the search path of everybody.
                "/usr/sbin/mariadbd".into(),
                "--no-defaults".into(),
                format!("--datadir={data}"),
                format!("--tmpdir={folder}"),
                format!("--socket={folder}/socket"),
                format!("--pid-file={folder}/mariadbd.pid"),
                "--bind-address=127.0.0.1".into(),
                format!("--port={port}"),
                format!("--init-file={}", self.init_file().display()),
                "--innodb-flush-log-at-trx-commit=0".into(),
                "--innodb-buffer-pool-size=64M".into(),
                "--innodb-log-file-size=16M".into(),
                "--skip-name-resolve".into(),
            ],
            Engine::PostgreSql => vec![
                postgresql_program("postgres").display().to_string(),
                "-D".into(),
                data.to_string(),
                "-h".into(),
                "127.0.0.1".into(),
                "-p".into(),
                port.to_string(),
                "-k".into(),
                folder.to_string(),
                "-F".into(),
                "-c".into(),
                "shared_buffers=64MB".into(),
            ],
        }
    }

    /// Lets the account that the server runs as own a folder.
    fn give_away(&self, folder: &Path) {
        if is_root() {
            Finished::of(Command::new("chown").arg(format!("{ACCOUNT}:")).arg(folder)).success();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        match self.keeper.take() {
            Some((mut keeper, pipe)) => {
                drop(pipe);
                let _ = keeper.wait();
            }
            None => {
                let _ = fs::remove_dir_all(&self.folder);
            }
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// What to put before a command line so that it does not run as root.
fn as_account() -> Vec<String> {
    if !is_root() {
        return Vec::new();
    }
    let group = Finished::of(Command::new("id").args(["-g", ACCOUNT])).success();
    let words = [
        "setpriv",
        "--clear-groups",
        "--reuid",
        ACCOUNT,
        "--regid",
        group.trim(),
    ];
    words.map(str::to_owned).into()
}

/// A program of PostgreSQL, which Debian keeps out of the search path: the newest one.
fn postgresql_program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<_> = versions
        .map(|version| version.path())
        .filter(|path| path.join("bin").join(name).is_file())
        .collect();
    found.sort_by_key(|path| {
        let version = path.file_name().and_then(|name| name.to_str());
        version.and_then(|version| version.parse::<u32>().ok())
    });
    found
        .pop()
        .map_or_else(|| name.into(), |path| path.join("bin").join(name))
}
