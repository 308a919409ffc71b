//! Real database servers on scratch folders: MariaDB and PostgreSQL from Debian's packages, each
//! started once per test process on a loopback port, with data of its own, and gone with the
//! process however that ends. The services that the packages may have set up are never touched.
//!
//! [`schema`] lays out the tables of Moodle, Greenlight and Pod in them.

pub mod schema;
mod server;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub use server::Server;

/// Which database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// MariaDB, with the collation that Moodle and Pod use there: neither case nor accents count.
    MariaDb,
    /// PostgreSQL.
    PostgreSql,
}

impl Engine {
    /// Both.
    pub const ALL: [Engine; 2] = [Engine::MariaDb, Engine::PostgreSql];

    /// The server of this kind that all tests of the process share.
    ///
    /// # Panics
    /// It cannot be started; see tests/install.sh.
    pub fn server(self) -> &'static Server {
        static MARIADB: OnceLock<Server> = OnceLock::new();
        static POSTGRESQL: OnceLock<Server> = OnceLock::new();
        let shared = match self {
            Engine::MariaDb => &MARIADB,
            Engine::PostgreSql => &POSTGRESQL,
        };
        shared.get_or_init(|| Server::start(self))
    }
}

/// A database of its own on a server.
#[derive(Debug)]
pub struct Database<'a> {
    server: &'a Server,
    /// Its name.
    pub name: String,
}

impl Server {
    /// A fresh, empty database.
    ///
    /// # Panics
    /// The server does not make it.
    pub fn database(&self) -> Database<'_> {
        static MADE: AtomicU32 = AtomicU32::new(1);
        let name = format!("d{}", MADE.fetch_add(1, Ordering::Relaxed));
        let more = match self.engine() {
            Engine::MariaDb => " CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
            Engine::PostgreSql => "",
        };
        self.run(None, &format!("CREATE DATABASE {name}{more};"));
        Database { server: self, name }
    }

    /// A database that is there already, as after the server was down.
    pub fn existing(&self, name: &str) -> Database<'_> {
        Database {
            server: self,
            name: name.to_owned(),
        }
    }
}

impl Database<'_> {
    /// What kind of server it is on.
    pub fn engine(&self) -> Engine {
        self.server.engine()
    }

    /// Its address, for an account that may do everything.
    pub fn url(&self) -> String {
        self.url_for(server::ADMIN, server::PASSWORD)
    }

    /// Its address for some account; whether that exists is another matter.
    pub fn url_for(&self, user: &str, password: &str) -> String {
        let scheme = match self.engine() {
            Engine::MariaDb => "mysql",
            Engine::PostgreSql => "postgres",
        };
        let port = self.server.port();
        format!(
            "{scheme}://{user}:{password}@127.0.0.1:{port}/{}",
            self.name
        )
    }

    /// Its address for an account that may only read these tables, in this schema (PostgreSQL).
    ///
    /// # Panics
    /// The server does not make it.
    pub fn reader(&self, account: &str, tables: &[&str]) -> String {
        let password = "only reading".replace(' ', "-");
        let user = format!("{}_{account}", self.name);
        let mut sql = match self.engine() {
            Engine::MariaDb => format!("CREATE USER {user}@'%' IDENTIFIED BY '{password}';\n"),
            Engine::PostgreSql => format!("CREATE ROLE {user} LOGIN PASSWORD '{password}';\n"),
        };
        for table in tables {
            sql += &match self.engine() {
                Engine::MariaDb => {
                    format!("GRANT SELECT ON {}.{table} TO {user}@'%';\n", self.name)
                }
                Engine::PostgreSql => match table.split_once('.') {
                    Some((schema, _)) => format!(
                        "GRANT USAGE ON SCHEMA {schema} TO {user}; GRANT SELECT ON {table} TO {user};\n"
                    ),
                    None => format!("GRANT SELECT ON {table} TO {user};\n"),
                },
            };
        }
        self.run(&sql);
        self.url_for(&user, &password)
    }

    /// Runs statements.
    ///
    /// # Panics
    /// One of them fails.
    #[track_caller]
    pub fn run(&self, sql: &str) {
        self.server.run(Some(&self.name), sql);
    }

    /// What a statement gives: rows of columns as text, `NULL` for what is none.
    ///
    /// # Panics
    /// It fails.
    #[track_caller]
    pub fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let said = self.server.run(Some(&self.name), sql);
        said.lines()
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let sql = match self.engine() {
            Engine::MariaDb => format!("DROP DATABASE IF EXISTS {};", self.name),
            Engine::PostgreSql => format!("DROP DATABASE IF EXISTS {} WITH (FORCE);", self.name),
        };
        self.server.try_run(None, &sql).ok();
    }
}
