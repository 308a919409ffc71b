use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::connection::client;
use super::*;
use support::playback::{Asked, Misbehaviour, PlaybackServer};

const ID: &str = "abc-1500000000000";
const WEBCAMS: &str = "video/webcams.webm";

/// A small published recording on a server, and a room for what is brought.
struct World {
    dir: tempfile::TempDir,
    server: PlaybackServer,
}

impl World {
    fn new() -> World {
        let dir = tempfile::tempdir().unwrap();
        let server = PlaybackServer::start(&dir.path().join("published"));
        let world = World { dir, server };
        world.publish(
            "metadata.xml",
            b"<recording><id>abc-1500000000000</id></recording>",
        );
        world.publish(
            "shapes.svg",
            br#"<svg><image id="image1" in="0" xlink:href="presentation/p/slide%201.png" text="presentation/p/textfiles/slide-1.txt"/>
            <image id="image2" in="1" xlink:href="presentation/p/gone.png"/>
            <image id="image3" in="2" xlink:href="presentation/p/slide 1.png/below"/>
            <image id="image4" in="3" xlink:href="../../../secret"/>
            <image id="image5" in="4" xlink:href="http://127.0.0.1:1/secret"/></svg>"#,
        );
        world.publish("presentation/p/slide 1.png", &[7; 3000]);
        world.publish("presentation/p/textfiles/slide-1.txt", b"One");
        world.publish("captions.json", br#"[{"locale":"fr"},{"locale":"../x"}]"#);
        world.publish("caption_fr.vtt", b"WEBVTT");
        world.publish(
            WEBCAMS,
            &(0..200_000u32).map(|n| n as u8).collect::<Vec<_>>(),
        );
        world.publish("video/webcams.mp4", b"not asked for");
        fs::write(world.dir.path().join("secret"), "x").unwrap();
        world
    }

    fn published(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().join("published/presentation").join(ID);
        folder.join(name)
    }

    fn publish(&self, name: &str, content: &[u8]) {
        let path = self.published(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn room(&self) -> PathBuf {
        let room = self.dir.path().join("room");
        fs::create_dir_all(&room).unwrap();
        room
    }

    fn fetch(&self) -> Result<Fetched, PlaybackError> {
        self.fetch_until(&limits(), &|_, _| {})
    }

    fn fetch_until(
        &self,
        limits: &Limits,
        tell: &(dyn Fn(Progress<'_>, &AtomicBool) + Sync),
    ) -> Result<Fetched, PlaybackError> {
        let page = self.server.url(&format!("/playback/presentation/2.3/{ID}"));
        fetch_from(&page, &self.room(), limits, tell)
    }

    fn is_whole(&self, fetched: &Fetched) -> bool {
        [
            WEBCAMS,
            "shapes.svg",
            "presentation/p/slide 1.png",
            "caption_fr.vtt",
        ]
        .iter()
        .all(|name| fs::read(fetched.folder.join(name)).ok() == fs::read(self.published(name)).ok())
    }
}

fn limits() -> Limits {
    Limits {
        tries: 3,
        first_wait: Duration::ZERO,
        patience: Duration::from_secs(20),
        ..Limits::default()
    }
}

fn fetch_from(
    page: &str,
    room: &Path,
    limits: &Limits,
    tell: &(dyn Fn(Progress<'_>, &AtomicBool) + Sync),
) -> Result<Fetched, PlaybackError> {
    let stop = Arc::new(AtomicBool::new(false));
    // A proxy of whoever runs the tests is not to be asked for a loopback address.
    let http = client(limits).no_proxy().build().unwrap();
    let connection = Connection::over(http, limits.clone(), Arc::clone(&stop));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let address = Address::parse(page).unwrap();
    runtime.block_on(fetch(&connection, &address, room, &|progress| {
        tell(progress, &stop);
    }))
}

fn of(asked: &[Asked], end: &str) -> Vec<Option<u64>> {
    let of = asked.iter().filter(|asked| asked.path.ends_with(end));
    of.map(|asked| asked.from).collect()
}

#[test]
fn all_that_a_player_would_get_is_brought_and_nothing_else() {
    let world = World::new();
    let fetched = world.fetch().unwrap();
    assert!(world.is_whole(&fetched));
    assert_eq!(fetched.folder, world.room().join("presentation").join(ID));
    assert!(
        fetched
            .folder
            .join("presentation/p/textfiles/slide-1.txt")
            .is_file()
    );
    let missing: Vec<_> = fetched
        .missing
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    // Which of the two names that clash comes first is left open.
    assert!(missing.contains(&"presentation/p/gone.png"), "{missing:?}");
    let asked = world.server.asked();
    assert!(
        asked
            .iter()
            .all(|a| a.path.starts_with(&format!("/presentation/{ID}/")))
    );
    assert!(
        !asked
            .iter()
            .any(|a| a.path.contains("..") || a.path.contains("secret"))
    );
    assert_eq!(of(&asked, "webcams.mp4"), []);

    // Again, only the description is read: whether it is still the same recording.
    world.fetch().unwrap();
    let asked = world.server.asked();
    assert_eq!(of(&asked, "metadata.xml"), [None]);
    assert_eq!(of(&asked, WEBCAMS), []);

    // Published anew, everything is.
    world.publish(
        "metadata.xml",
        b"<recording><id>abc-1500000000000</id><x/></recording>",
    );
    world.fetch().unwrap();
    assert_eq!(of(&world.server.asked(), WEBCAMS), [None]);
}

#[test]
fn broken_connections_go_on_where_they_were() {
    let world = World::new();
    world.server.next(
        WEBCAMS,
        &[
            Misbehaviour::Cut(0),
            Misbehaviour::Cut(50_000),
            Misbehaviour::Cut(30_000),
            Misbehaviour::Status(503),
            Misbehaviour::Cut(1),
        ],
    );
    let fetched = world.fetch().unwrap();
    assert!(world.is_whole(&fetched));
    let from = of(&world.server.asked(), WEBCAMS);
    assert_eq!(
        from,
        [
            None,
            None,
            Some(50_000),
            Some(80_000),
            Some(80_000),
            Some(80_001)
        ]
    );
}

#[test]
fn servers_without_ranges_and_files_that_change_are_begun_anew() {
    let world = World::new();
    world
        .server
        .next(WEBCAMS, &[Misbehaviour::Cut(50_000), Misbehaviour::Whole]);
    let fetched = world.fetch().unwrap();
    assert!(world.is_whole(&fetched));

    let world = World::new();
    world.server.next(
        WEBCAMS,
        &[Misbehaviour::Cut(50_000), Misbehaviour::Status(500)],
    );
    let changed = AtomicBool::new(false);
    let fetched = world
        .fetch_until(&limits(), &|progress, _| {
            if progress.file == WEBCAMS && !changed.swap(true, Ordering::Relaxed) {
                world.publish(WEBCAMS, &[9; 150_000]);
            }
        })
        .unwrap();
    assert!(world.is_whole(&fetched));
    assert!(of(&world.server.asked(), WEBCAMS).contains(&Some(50_000)));
}

#[test]
fn a_second_run_goes_on_where_the_first_was_stopped() {
    let world = World::new();
    world.server.next(WEBCAMS, &[Misbehaviour::Stall(70_000)]);
    let stopped = world.fetch_until(&limits(), &|progress, stop| {
        stop.store(
            progress.file == WEBCAMS && progress.done == 70_000,
            Ordering::Relaxed,
        );
    });
    assert!(
        matches!(stopped, Err(PlaybackError::Stopped)),
        "{stopped:?}"
    );
    world.server.asked();
    let fetched = world.fetch().unwrap();
    assert!(world.is_whole(&fetched));
    let asked = world.server.asked();
    assert_eq!(of(&asked, WEBCAMS), [Some(70_000)]);
    assert_eq!(of(&asked, "slide%201.png"), []);
}

#[test]
fn what_is_not_the_recording_is_told_apart() {
    let metadata = "metadata.xml";
    for (fault, words, transient) in [
        (Misbehaviour::Status(404), "no such recording", false),
        (Misbehaviour::Status(403), "403", false),
        (
            Misbehaviour::Page("text/html; charset=utf-8"),
            "web page",
            false,
        ),
        (Misbehaviour::Page("application/xml"), "web page", false),
        (Misbehaviour::Status(400), "400", false),
        (Misbehaviour::Status(502), "after 3 tries", true),
        (Misbehaviour::Cut(0), "after 3 tries", true),
    ] {
        let world = World::new();
        world.server.next(metadata, &vec![fault.clone(); 4]);
        let error = world.fetch().unwrap_err();
        assert!(error.to_string().contains(words), "{fault:?}: {error}");
        assert_eq!(error.is_transient(), transient, "{error}");
    }
    let world = World::new();
    world
        .server
        .next("tldraw.json", &[Misbehaviour::Status(403)]);
    assert!(world.is_whole(&world.fetch().unwrap()));
    world.publish(metadata, b"{}");
    assert!(matches!(world.fetch(), Err(PlaybackError::NotThere { .. })));
}

#[test]
fn redirects_stay_on_the_server() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    other.set_nonblocking(true).unwrap();
    let address = other.local_addr().unwrap();
    let world = World::new();
    let there = format!("/presentation/{ID}/shapes.svg");
    world
        .server
        .next("shapes.svg", &[Misbehaviour::Redirect(there)]);
    assert!(world.is_whole(&world.fetch().unwrap()));

    let world = World::new();
    let elsewhere = format!("http://{address}/x");
    world
        .server
        .next("slide%201.png", &[Misbehaviour::Redirect(elsewhere)]);
    let error = world.fetch().unwrap_err();
    assert!(error.to_string().contains("another server"), "{error}");
    assert!(other.accept().is_err(), "the other server was asked");
}

#[test]
fn size_is_bounded_and_nobody_there_is_said_at_once() {
    let world = World::new();
    let small = Limits {
        size: 150_000,
        ..limits()
    };
    let error = world.fetch_until(&small, &|_, _| {}).unwrap_err();
    assert!(matches!(error, PlaybackError::TooLarge { .. }), "{error}");

    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let page = format!(
        "http://{}/playback/presentation/2.3/{ID}",
        free.local_addr().unwrap()
    );
    drop(free);
    let error = fetch_from(&page, &world.room(), &Limits::default(), &|_, _| {}).unwrap_err();
    assert!(
        matches!(error, PlaybackError::Unreachable { .. }),
        "{error}"
    );
}
