//! The database servers that other tests rely on.

use std::net::TcpStream;

use support::databases::{Engine, Server};

#[test]
fn every_schema_fits_both_servers() {
    for engine in Engine::ALL {
        let database = engine.server().database();
        database.moodle("m_");
        database.greenlight_v2();
        database.run("INSERT INTO m_user (username, email) VALUES ('zoé', 'zoe@univ.example');");
        assert_eq!(
            database.rows("SELECT username, email, suspended FROM m_user;"),
            [["zoé", "zoe@univ.example", "0"]]
        );
        let pod = engine.server().database();
        pod.pod();
        assert_eq!(pod.rows("SELECT COUNT(*) FROM django_site;"), [["1"]]);
    }
    Engine::PostgreSql.server().database().greenlight_v3();
}

#[test]
fn a_reader_only_reads() {
    for engine in Engine::ALL {
        let database = engine.server().database();
        database.moodle("mdl_");
        let url = database.reader("reader", &["mdl_user"]);
        let client = |sql: &str| {
            let mut command = match engine {
                Engine::PostgreSql => {
                    let mut command = std::process::Command::new("psql");
                    command.args(["-X", "-q", &url, "-c", sql]);
                    command
                }
                Engine::MariaDb => {
                    let port = engine.server().port().to_string();
                    let mut command = std::process::Command::new("mariadb");
                    let user = format!("{}_reader", database.name);
                    command.args(["--no-defaults", "-h127.0.0.1", "-P", &port, "-u", &user]);
                    command.args(["-ponly-reading", &database.name, "-e", sql]);
                    command
                }
            };
            support::harness::Finished::of(&mut command)
        };
        client("SELECT * FROM mdl_user").success();
        for refused in ["SELECT * FROM mdl_course", "DELETE FROM mdl_user"] {
            let said = client(refused);
            assert_ne!(said.code, Some(0), "{refused}");
            assert!(said.stderr.contains("denied"), "{}", said.stderr);
        }
    }
}

#[test]
fn a_server_keeps_its_data_while_it_is_down_and_leaves_nothing_at_the_end() {
    for engine in Engine::ALL {
        let mut server = Server::start(engine);
        let name = {
            let database = server.database();
            database.run("CREATE TABLE t (n integer); INSERT INTO t VALUES (7);");
            let name = database.name.clone();
            std::mem::forget(database);
            name
        };
        server.stop();
        assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
        server.resume();
        let database = server.existing(&name);
        assert_eq!(database.rows("SELECT n FROM t;"), [["7"]]);
        drop(database);
        let (port, folder) = (server.port(), server.folder().to_owned());
        drop(server);
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        assert!(!folder.exists());
    }
}
