//! Links under "My external videos" by the real receiver in real databases: one row for each
//! recording whatever is killed, the videos that they lead to, and the commands around them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use support::databases::{Database, Engine};
use support::harness::{Delivery, Site, eventually, free_port};
use support::samples::Recording;

const LONG: Duration = Duration::from_secs(60);
const TABLE: &str = "import_video_externalrecording";

fn pod(engine: Engine) -> Database<'static> {
    let pod = engine.server().database();
    pod.pod();
    let (yes, no) = match engine {
        Engine::MariaDb => ("1", "0"),
        Engine::PostgreSql => ("true", "false"),
    };
    pod.run(&format!(
        "INSERT INTO auth_user (password, is_superuser, username, first_name, last_name, email, is_staff, \
         is_active, date_joined) VALUES ('!', {no}, 'bbb-archive', '', '', '', {yes}, {yes}, CURRENT_TIMESTAMP);"
    ));
    pod
}

fn linked(url: &str, more: &str) -> Site {
    Site::builder()
        .delivery(Delivery::Section(format!(
            "destination: {{kind: external, database: {{url: '{url}'}}, default_owner: bbb-archive{more}}}\n"
        )))
        .receiver_yml("public_url: 'https://bbb2pod.univ.example'\n")
        .start()
}

fn urls(pod: &Database<'_>) -> Vec<String> {
    let rows = pod.rows(&format!("SELECT source_url FROM {TABLE} ORDER BY id;"));
    rows.into_iter().map(|row| row[0].clone()).collect()
}

/// Sends a request and gives status line and headers, and the body.
fn ask(site: &Site, method: &str, path: &str, headers: &str) -> (String, Vec<u8>) {
    let address = site.address().replace("http://", "");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let body = answer.split_off(end + 4);
    (String::from_utf8(answer).unwrap().to_lowercase(), body)
}

fn path_of(url: &str) -> String {
    url.strip_prefix("https://bbb2pod.univ.example")
        .unwrap()
        .to_owned()
}

#[test]
fn the_row_leads_to_the_video_whole_and_in_parts() {
    let pod = pod(Engine::PostgreSql);
    let site = linked(&pod.url(), "");
    let id = site.hold(&Recording::tiny());
    site.hook(["send"]).success();
    site.wait_done(&id);
    let urls = urls(&pod);
    assert_eq!(urls.len(), 1, "{}", site.story(&id));
    let path = path_of(&urls[0]);
    let film = fs::read(site.path(&format!("receiver/media/{id}/video-0.mp4"))).unwrap();
    let size = film.len();

    let (head, body) = ask(&site, "GET", &path, "");
    assert!(
        head.starts_with("http/1.1 200") && head.contains("content-type: video/mp4"),
        "{head}"
    );
    assert!(
        head.contains("accept-ranges: bytes") && body == film,
        "{head}"
    );
    let etag = head
        .lines()
        .find_map(|line| line.strip_prefix("etag: "))
        .unwrap()
        .to_owned();
    let (head, body) = ask(&site, "HEAD", &path, "");
    assert!(
        head.starts_with("http/1.1 200") && head.contains(&format!("content-length: {size}")),
        "{head}"
    );
    assert!(body.is_empty());

    let (head, body) = ask(&site, "GET", &path, "Range: bytes=100-199\r\n");
    assert!(
        head.starts_with("http/1.1 206")
            && head.contains(&format!("content-range: bytes 100-199/{size}")),
        "{head}"
    );
    assert_eq!(body, film[100..200]);
    let (head, body) = ask(&site, "GET", &path, "Range: bytes=-50\r\n");
    assert!(head.starts_with("http/1.1 206"), "{head}");
    assert_eq!(body, film[size - 50..]);
    let (head, body) = ask(&site, "GET", &path, "Range: bytes=0-9,100-109\r\n");
    assert!(head.contains("multipart/byteranges; boundary="), "{head}");
    let told = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    assert_eq!(told.parse(), Ok(body.len()));
    for part in [&film[..10], &film[100..110]] {
        assert!(body.windows(10).any(|window| window == part));
    }
    let (head, _) = ask(&site, "GET", &path, &format!("Range: bytes={size}-\r\n"));
    assert!(
        head.starts_with("http/1.1 416")
            && head.contains(&format!("content-range: bytes */{size}")),
        "{head}"
    );
    let (head, body) = ask(
        &site,
        "GET",
        &path,
        "Range: bytes=0-9\r\nIf-Range: \"other\"\r\n",
    );
    assert!(
        head.starts_with("http/1.1 200") && body.len() == size,
        "{head}"
    );
    let (head, body) = ask(&site, "GET", &path, &format!("If-None-Match: {etag}\r\n"));
    assert!(
        head.starts_with("http/1.1 304") && body.is_empty(),
        "{head}"
    );

    for wrong in [
        format!("/video/{id}/video-0.mp4"),
        format!("/video/{id}.AAAAAAAAAAAAAAAAAAAAAA/video-0.mp4"),
        path.replace("video-0", "video-1"),
    ] {
        let (head, _) = ask(&site, "GET", &wrong, "");
        assert!(head.starts_with("http/1.1 404"), "{wrong}: {head}");
    }
}

#[test]
fn a_video_is_made_when_somebody_asks_for_it() {
    let pod = pod(Engine::MariaDb);
    let mut site = linked(&pod.url(), ", convert: on-demand");
    let id = site.hold(&Recording::tiny());
    site.hook(["send"]).success();
    site.wait_done(&id);
    let path = path_of(&urls(&pod)[0]);
    assert!(
        !site
            .path(&format!("receiver/media/{id}/video-0.mp4"))
            .exists()
    );

    let (head, body) = ask(
        &site,
        "GET",
        &path,
        "Accept: text/html\r\nAccept-Language: fr,en\r\n",
    );
    assert!(
        head.starts_with("http/1.1 503") && head.contains("retry-after: "),
        "{head}"
    );
    assert!(
        String::from_utf8(body)
            .unwrap()
            .contains("La vidéo est en préparation")
    );
    // A restart forgets nobody's wish.
    site.kill_receiver();
    site.start_receiver();
    eventually("the video is made", LONG, || {
        let (head, _) = ask(&site, "HEAD", &path, "");
        assert!(
            head.starts_with("http/1.1 200") || head.starts_with("http/1.1 503"),
            "{head}"
        );
        head.starts_with("http/1.1 200").then_some(())
    });
    site.wait_done(&id);
    let story = site.story(&id);
    assert_eq!(
        story.matches("somebody asks for the video").count(),
        1,
        "{story}"
    );
    assert_eq!(urls(&pod).len(), 1);
}

/// Between the receiver and a database: after so many messages of the receiver nothing passes.
struct Wire {
    port: u16,
    left: Arc<AtomicI64>,
}

impl Wire {
    fn to(port: u16) -> Wire {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let wire = Wire {
            port: listener.local_addr().unwrap().port(),
            left: Arc::new(AtomicI64::new(i64::MAX)),
        };
        let left = Arc::clone(&wire.left);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", port)))
                else {
                    return;
                };
                let (up, down) = (Arc::clone(&left), Arc::clone(&left));
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || {
                    pass(from, to, || up.fetch_sub(1, Ordering::SeqCst) > 0)
                });
                // The answer to the last message that passed is lost.
                std::thread::spawn(move || {
                    pass(server, client, || down.load(Ordering::SeqCst) > 0)
                });
            }
        });
        wire
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, may: impl Fn() -> bool) {
    let mut bytes = [0; 16 * 1024];
    while let Ok(count) = from.read(&mut bytes) {
        if count == 0 {
            break;
        }
        if may() && to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

#[test]
fn killed_between_any_two_statements_there_is_one_row() {
    for engine in Engine::ALL {
        let pod = pod(engine);
        let port = engine.server().port();
        let wire = Wire::to(port);
        let url = pod
            .url()
            .replace(&format!(":{port}/"), &format!(":{}/", wire.port));
        let mut site = linked(&url, ", convert: on-demand");
        let mut held = 0;
        for messages in 1..12 {
            wire.left.store(messages, Ordering::SeqCst);
            held += 1;
            let recording = Recording::tiny().seed(held);
            let id = site.hold(&recording);
            site.hook(["send"]).success();
            eventually("the wire is cut, or the row made", LONG, || {
                let cut = wire.left.load(Ordering::SeqCst) <= 0;
                (cut || site.stage(&id).as_deref() == Some("done")).then_some(())
            });
            site.kill_receiver();
            wire.left.store(i64::MAX, Ordering::SeqCst);
            site.start_receiver();
            site.wait_done(&id);
            let rows = urls(&pod)
                .into_iter()
                .filter(|url| url.contains(&id))
                .count();
            assert_eq!(
                rows,
                1,
                "{engine:?} after {messages} messages:\n{}",
                site.story(&id)
            );
        }
        assert_eq!(urls(&pod).len(), usize::try_from(held).unwrap());
    }
}

#[test]
fn rehearsal_list_and_removal() {
    let pod = pod(Engine::MariaDb);
    let mut site = linked(&pod.url(), ", link: playback");
    let id = site.hold(&Recording::tiny());
    site.hook(["send"]).success();
    site.wait_done(&id);
    let other = "https://bbb1.example.org/playback/presentation/2.0/playback.html?meetingId=x";
    pod.run(&format!(
        "INSERT INTO {TABLE} (name, start_at, type, source_url, owner_id, site_id) \
         SELECT 'x', CURRENT_TIMESTAMP, 'bigbluebutton', '{other}', id, 1 FROM auth_user;"
    ));
    let url = urls(&pod)[0].clone();

    // Beside the running service.
    let told = site.receiver(["register", "--dry-run"]).success();
    assert!(
        told.contains(&id) && told.contains("nothing for bbb-archive: row "),
        "{told}"
    );
    let told = site
        .receiver(["register", "--dry-run", "--json", &id])
        .success();
    let line = told.lines().find(|line| line.starts_with('{')).unwrap();
    let object: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(object["record_id"], id.as_str());
    site.receiver(["register", "--dry-run", "absent"])
        .failure(2);
    let refused = site.receiver(["register"]).failure(2);
    assert!(refused.contains("is serving already"), "{refused}");

    let list = site.receiver(["export"]).success();
    assert!(
        list.starts_with("meeting_name;recording_name;start_date;origin;"),
        "{list}"
    );
    assert!(list.contains(&url) && list.contains(&id), "{list}");
    let file = site.path("list.json");
    site.receiver(["export", "--format", "json", "-o", file.to_str().unwrap()])
        .success();
    let entry: serde_json::Value =
        serde_json::from_str(fs::read_to_string(&file).unwrap().trim()).unwrap();
    assert_eq!(
        (&entry["source_url"], &entry["record_id"]),
        (&url.clone().into(), &id.clone().into())
    );

    let prefix = url.split("/playback/").next().unwrap().to_owned() + "/";
    let counted = site
        .receiver(["forget-links", "--prefix", &prefix, "--dry-run"])
        .success();
    assert!(
        counted.contains("bbb-archive") && counted.contains("DELETE FROM"),
        "{counted}"
    );
    let asked = site
        .receiver(["forget-links", "--prefix", &prefix])
        .failure(2);
    assert!(asked.contains("--yes"), "{asked}");
    site.receiver(["forget-links", "--prefix", "https://", "--yes"])
        .failure(2);
    let before = urls(&pod).len();
    let mine = urls(&pod)
        .iter()
        .filter(|url| url.starts_with(&prefix))
        .count();
    site.receiver(["forget-links", "--prefix", &prefix, "--yes"])
        .success();
    assert_eq!(urls(&pod).len(), before - mine);

    // A recording that was handed over by hand, the service being stopped.
    site.kill_receiver();
    let told = site.receiver(["register", &id]).success();
    assert!(told.contains("registered"), "{told}");
}

#[test]
fn wrong_settings_end_the_service_and_are_named() {
    let pod = pod(Engine::MariaDb);
    let mut site = linked(&pod.url(), "");
    site.kill_receiver();
    let config = fs::read_to_string(site.receiver_config()).unwrap();
    let port = free_port();
    let with = |from: &str, to: &str| {
        let changed = config.replace(from, to);
        assert_ne!(changed, config);
        fs::write(site.receiver_config(), changed).unwrap();
    };
    for (from, to, words) in [
        (
            "default_owner: bbb-archive",
            "default_owner: nobody",
            "destination.default_owner: ",
        ),
        ("public_url", "#public_url", "public_url: is needed"),
        (
            "kind: external",
            "kind: external, site: 7",
            "destination.site: ",
        ),
    ] {
        with(from, to);
        for arguments in [["serve", "--log-format=text"], ["register", "--dry-run"]] {
            let said = site.receiver(arguments).failure(2);
            assert!(said.contains(words), "{arguments:?}: {said}");
        }
    }
    with(":tests-password@", ":wrong@");
    let said = site.receiver(["check"]).all();
    assert!(
        said.contains("FAIL")
            && said.contains("refuses: Access denied")
            && said.contains("password_file"),
        "{said}"
    );
    assert!(!said.contains("wrong@"), "{said}");
    with(
        &format!(":{}/", Engine::MariaDb.server().port()),
        &format!(":{port}/"),
    );
    let said = site.receiver(["register", "--dry-run"]).failure(3);
    assert!(said.contains("cannot be reached"), "{said}");
}
