//! The virtual tar against the tools that must read it, and against files that change under it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use proptest::prelude::*;
use recording::package::{About, GatherError, PackageError, gather};
use recording::{Digest, Package};

type Change<'a> = &'a dyn Fn(&Path);

const ID: &str = "183f0bf3a0982a127bdb8161e0c44eb696b3e75c-1554230749920";

fn about() -> About {
    About {
        record_id: ID.parse().unwrap(),
        format: "presentation".parse().unwrap(),
        node: "bbb1.example".into(),
        hook_version: "0.1.0".into(),
        published_at: Timestamp::from_second(1_600_000_000).unwrap(),
        events_xml: None,
    }
}

fn write(root: &Path, name: &str, content: &[u8]) {
    let path = root.join("presentation").join(ID).join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn sample(root: &Path) {
    let metadata = format!(
        "<recording><id>{ID}</id><meta><meetingName>Cours d'été</meetingName></meta></recording>"
    );
    write(root, "metadata.xml", metadata.as_bytes());
    write(root, "empty", b"");
    write(root, "exactly-one-block", &[7; 512]);
    write(
        root,
        "video/webcams.webm",
        &(0..100_000u32)
            .flat_map(u32::to_le_bytes)
            .collect::<Vec<_>>(),
    );
    let deep = "presentation/d2d9a672040fbde2a47a10bf6c37b6a4b5ae187f-1640000000400/thumbnails/"
        .to_owned();
    write(root, &format!("{deep}thumb-1.png"), b"png");
    write(
        root,
        &format!("{deep}{}", "é".repeat(100)),
        b"a long name that is not ASCII",
    );
    for padding in 0..12 {
        write(
            root,
            &format!("{}{}", "n".repeat(25), "m".repeat(padding)),
            b"around a hundred bytes",
        );
    }
}

fn whole(package: &Package) -> Vec<u8> {
    let mut bytes = Vec::new();
    package.reader(0).read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn gnu_tar_and_python_list_and_extract_it() {
    let node = tempfile::tempdir().unwrap();
    sample(node.path());
    let package = Package::new(node.path(), gather(node.path(), &about()).unwrap()).unwrap();
    let tar = node.path().join("package.tar");
    fs::write(&tar, whole(&package)).unwrap();
    assert_eq!(fs::metadata(&tar).unwrap().len(), package.length());

    let extract = [
        vec!["tar", "-xf", "package.tar", "-C", "gnu"],
        vec![
            "python3",
            "-c",
            "import tarfile; tarfile.open('package.tar').extractall('python')",
        ],
    ];
    for command in &extract {
        let into = command
            .iter()
            .find(|w| **w == "gnu")
            .copied()
            .unwrap_or("python");
        fs::create_dir(node.path().join(into)).unwrap();
        let status = Command::new(command[0])
            .args(&command[1..])
            .current_dir(node.path())
            .status()
            .unwrap();
        assert!(status.success(), "{command:?}");
        let manifest = fs::read(node.path().join(into).join("bbb2pod.json")).unwrap();
        assert_eq!(manifest, package.manifest().to_json().unwrap());
        for file in &package.manifest().files {
            let content = fs::read(node.path().join(into).join(&file.path)).unwrap();
            assert_eq!(Digest::of(&content), file.sha256, "{into} {}", file.path);
        }
    }
    let first = Command::new("tar")
        .args(["-tf", "package.tar"])
        .current_dir(node.path())
        .output()
        .unwrap();
    assert!(first.stdout.starts_with(b"bbb2pod.json\n"));
    assert_eq!(
        package.manifest().metadata.as_ref().unwrap().title(),
        Some("Cours d'été")
    );
}

#[test]
fn sizes_over_8_gib_are_right() {
    let node = tempfile::tempdir().unwrap();
    write(node.path(), "metadata.xml", b"<recording/>");
    let mut manifest = gather(node.path(), &about()).unwrap();
    manifest.files[0].size = 9 * 1024 * 1024 * 1024 + 1;
    let package = Package::new(node.path(), manifest).unwrap();
    let mut head = vec![0; 1024 * 1024];
    let header_at = (package.length() - 1024) - (9 * 1024 * 1024 * 1024 + 512) - 512;
    head.truncate(usize::try_from(header_at).unwrap() + 512);
    package.reader(0).read_exact(&mut head).unwrap();
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("head.tar"), &head).unwrap();
    let list = "import tarfile; t = tarfile.open('head.tar'); t.next(); print(t.next().size)";
    let said = Command::new("python3")
        .args(["-c", list])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&said.stdout).trim(),
        "9663676417",
        "{said:?}"
    );
}

#[test]
fn a_file_that_changes_is_detected() {
    let change_size = |path: &Path| {
        fs::OpenOptions::new()
            .append(true)
            .open(path)
            .unwrap()
            .write_all(b"x")
            .unwrap()
    };
    let change_time = |path: &Path| {
        fs::File::open(path)
            .unwrap()
            .set_modified(SystemTime::now() + Duration::from_secs(5))
            .unwrap();
    };
    let change_content = |path: &Path| {
        let before = fs::metadata(path).unwrap().modified().unwrap();
        let mut content = fs::read(path).unwrap();
        content[100] ^= 1;
        fs::write(path, content).unwrap();
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(before)
            .unwrap();
    };
    let shorten = |path: &Path| {
        fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(10)
            .unwrap()
    };
    let remove = |path: &Path| fs::remove_file(path).unwrap();
    let changes: [(Change, &str); 5] = [
        (&change_size, "size differs"),
        (&change_time, "time of change differs"),
        (&change_content, "content differs"),
        (&shorten, "size differs"),
        (&remove, "cannot read"),
    ];
    for (change, words) in changes {
        let node = tempfile::tempdir().unwrap();
        sample(node.path());
        let package = Package::new(node.path(), gather(node.path(), &about()).unwrap()).unwrap();
        change(
            &node
                .path()
                .join("presentation")
                .join(ID)
                .join("video/webcams.webm"),
        );
        let error = package.reader(0).read_to_end(&mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_change_while_a_file_is_half_read_is_detected() {
    let node = tempfile::tempdir().unwrap();
    sample(node.path());
    let package = Package::new(node.path(), gather(node.path(), &about()).unwrap()).unwrap();
    let mut reader = package.reader(0);
    let mut buffer = [0; 1000];
    // The webcams are the last file but nothing says so; stop well inside them.
    while reader.position() + 100_000 < package.length() {
        reader.fill(&mut buffer).unwrap();
    }
    let path = node
        .path()
        .join("presentation")
        .join(ID)
        .join("video/webcams.webm");
    fs::File::options()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(b"more")
        .unwrap();
    let error = loop {
        match reader.fill(&mut buffer) {
            Ok(0) => panic!("shipped"),
            Ok(_) => {}
            Err(e) => break e,
        }
    };
    assert!(matches!(error, PackageError::Changed { .. }), "{error}");
}

#[test]
fn links_are_left_out_and_listed() {
    let node = tempfile::tempdir().unwrap();
    sample(node.path());
    std::os::unix::fs::symlink(
        "/etc/passwd",
        node.path().join("presentation").join(ID).join("evil"),
    )
    .unwrap();
    let manifest = gather(node.path(), &about()).unwrap();
    assert_eq!(manifest.left_out.len(), 1);
    assert_eq!(manifest.left_out[0].path, format!("presentation/{ID}/evil"));
    assert!(manifest.files.iter().all(|f| !f.path.ends_with("evil")));
}

#[test]
fn an_empty_or_absent_folder_is_an_error() {
    let node = tempfile::tempdir().unwrap();
    assert!(matches!(
        gather(node.path(), &about()),
        Err(GatherError::Read { .. })
    ));
    fs::create_dir_all(node.path().join("presentation").join(ID)).unwrap();
    assert!(matches!(
        gather(node.path(), &about()),
        Err(GatherError::Empty { .. })
    ));
}

#[test]
fn the_same_content_has_the_same_digest_whenever_it_was_written() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample(one.path());
    sample(two.path());
    let (a, b) = (
        gather(one.path(), &about()).unwrap(),
        gather(two.path(), &about()).unwrap(),
    );
    assert_eq!(a.digest, b.digest);
    write(two.path(), "empty", b"not any more");
    assert_ne!(gather(two.path(), &about()).unwrap().digest, a.digest);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_range_is_that_range_of_the_whole(
        sizes in proptest::collection::vec(0usize..3000, 1..6),
        names in proptest::collection::vec("[a-z]{1,20}(/[a-z]{1,60}){0,3}", 6),
        cuts in proptest::collection::vec(0u64..30_000, 1..12),
        step in 1usize..5000,
    ) {
        let node = tempfile::tempdir().unwrap();
        for (index, (size, name)) in sizes.iter().zip(&names).enumerate() {
            write(node.path(), &format!("{index}/{name}"), &vec![u8::try_from(index).unwrap() + 1; *size]);
        }
        let package = Package::new(node.path(), gather(node.path(), &about()).unwrap()).unwrap();
        let all = whole(&package);
        prop_assert_eq!(all.len() as u64, package.length());
        for cut in cuts {
            let mut reader = package.reader(cut);
            let mut buffer = vec![0; step];
            let mut got = Vec::new();
            loop {
                let n = reader.fill(&mut buffer).unwrap();
                if n == 0 { break }
                got.extend_from_slice(&buffer[..n]);
            }
            let from = usize::try_from(cut).unwrap().min(all.len());
            prop_assert_eq!(&got[..], &all[from..]);
        }
    }
}

#[test]
fn without_digests_size_and_time_still_count() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path());
    let manifest = gather(dir.path(), &about()).unwrap();
    let package = Package::new(dir.path(), manifest).unwrap();
    let read = || {
        let mut all = Vec::new();
        let read = package.reader(0).without_digests().read_to_end(&mut all);
        read.map(|_| all)
    };
    let mut with = Vec::new();
    package.reader(0).read_to_end(&mut with).unwrap();
    assert!(read().unwrap() == with);
    write(dir.path(), "exactly-one-block", b"no longer");
    let said = read().err().map(|e| e.to_string()).unwrap_or_default();
    assert!(said.contains("changed while"), "{said}");
}
