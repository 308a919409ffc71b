//! Whatever the order, and however often: what is there in the end is the last content that was
//! published, as if it had been delivered once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use proptest::prelude::*;
use recording::manifest::MEMBER_NAME;
use recording::package::{About, gather};
use recording::{Digest, Manifest, durable};

use super::{Archive, Limits, import};
use crate::ledger::testing::ledger;
use crate::ledger::{Ledger, NewPackage};

const LIMITS: Limits = Limits {
    members: 100,
    member_size: 1 << 20,
};
const ID: &str = "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920";

/// How a package comes.
#[derive(Clone, Copy, Debug)]
enum Way {
    Hook,
    Scalelite,
}

/// One delivery of one of the contents published.
#[derive(Clone, Debug)]
struct Delivery {
    /// Which: they are published one after another.
    published: usize,
    way: Way,
}

/// Publishes content number `content` at the time `at`, and packs it.
fn pack(content: u8, at: usize, way: Way, into: &Path) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("notes").join(ID);
    fs::create_dir_all(&folder).unwrap();
    let time = Timestamp::from_second(1_600_000_000 + at as i64).unwrap();
    let xml = format!(
        "<recording><id>{ID}</id><meta><meetingName>{content}</meetingName></meta></recording>"
    );
    for (name, text) in [
        ("metadata.xml".to_owned(), xml),
        (format!("file-{content}"), "x".repeat(content.into())),
        ("same".to_owned(), String::new()),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(time.into()).unwrap();
    }
    let about = About {
        record_id: ID.parse().unwrap(),
        format: "notes".parse().unwrap(),
        node: "bbb1".into(),
        hook_version: "0".into(),
        published_at: time,
        events_xml: None,
    };
    let manifest = gather(root.path(), &about).unwrap();
    let mut tar = tar::Builder::new(fs::File::create(into).unwrap());
    if matches!(way, Way::Hook) {
        let json = manifest.to_json().unwrap();
        let mut header = tar::Header::new_gnu();
        header.set_size(json.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, MEMBER_NAME, json.as_slice())
            .unwrap();
    }
    for file in &manifest.files {
        tar.append_path_with_name(root.path().join(&file.path), &file.path)
            .unwrap();
    }
    tar.into_inner().unwrap().sync_all().unwrap();
}

/// All that can be seen of it.
#[derive(Debug, PartialEq)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    digest: Digest,
    published_at: Timestamp,
    archived: Vec<Digest>,
    recordings: usize,
    temporary: usize,
    spooled: usize,
}

async fn deliver(contents: &[u8], deliveries: &[Delivery]) -> State {
    let (_dir, ledger) = ledger().await;
    let place = tempfile::tempdir().unwrap();
    let spool = place.path().join("spool");
    fs::create_dir(&spool).unwrap();
    let archive = Archive::open(&place.path().join("archive")).unwrap();
    for (n, delivery) in deliveries.iter().enumerate() {
        let id = format!("{n:032x}");
        let file = format!("{ID}-notes~{id}.tar");
        let content = contents[delivery.published];
        pack(
            content,
            delivery.published,
            delivery.way,
            &spool.join(&file),
        );
        let new = NewPackage {
            id: id.clone(),
            file,
            node: None,
            record_id: None,
            format: None,
            digest: None,
            bytes: 1,
        };
        ledger.add_package(&new).await.unwrap();
        let package = ledger.waiting_package(&id).await.unwrap().unwrap();
        import(&package, &spool, &archive, LIMITS, &ledger)
            .await
            .unwrap();
    }
    let state = look(&archive, &ledger, &spool).await;
    ledger.close().await;
    state
}

async fn look(archive: &Archive, ledger: &Ledger, spool: &Path) -> State {
    let (id, format) = (ID.parse().unwrap(), "notes".parse().unwrap());
    let folder = archive.folder(&id, &format);
    let files = walkdir::WalkDir::new(&folder).into_iter().flatten();
    let files = files
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        });
    let manifest: Manifest = archive.manifest(&id, &format).unwrap().unwrap();
    let held = ledger.formats(&id).await.unwrap();
    assert_eq!(held.len(), 1);
    assert_eq!(
        (held[0].1, held[0].2),
        (manifest.digest, manifest.published_at)
    );
    let packages = ledger.packages_of(&id, None).await.unwrap();
    let mut archived: Vec<_> = packages
        .iter()
        .filter(|p| p.status == recording::protocol::PackageStatus::Archived)
        .map(|p| p.digest)
        .collect();
    archived.dedup();
    State {
        files: files.collect(),
        digest: manifest.digest,
        published_at: manifest.published_at,
        archived,
        recordings: ledger.recordings(None, 10).await.unwrap().len(),
        temporary: durable::remove_unfinished(archive.root()).unwrap().len(),
        spooled: fs::read_dir(spool).unwrap().count(),
    }
}

/// Contents as they are published one after another, and deliveries of which at least one is of
/// the last; the others are replays, late ones, and ones that come twice.
fn courses() -> impl Strategy<Value = (Vec<u8>, Vec<Delivery>)> {
    prop::collection::vec(0..3u8, 1..5).prop_flat_map(|contents| {
        let last = contents.len() - 1;
        let way = prop_oneof![Just(Way::Hook), Just(Way::Scalelite)];
        let one = (0..contents.len(), way.clone());
        let some = prop::collection::vec(one, 0..6);
        (Just(contents), some, way, any::<prop::sample::Index>()).prop_map(
            move |(contents, some, way, at)| {
                let mut deliveries: Vec<_> = some
                    .into_iter()
                    .map(|(published, way)| Delivery { published, way })
                    .collect();
                let published = last;
                deliveries.insert(at.index(deliveries.len() + 1), Delivery { published, way });
                (contents, deliveries)
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_course_of_deliveries_ends_as_the_last_content_delivered_once(
        (contents, deliveries) in courses()
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let last = Delivery { published: contents.len() - 1, way: Way::Hook };
        let (ended, once) = runtime.block_on(async {
            (deliver(&contents, &deliveries).await, deliver(&contents, &[last]).await)
        });
        prop_assert_eq!(ended, once);
    }
}
