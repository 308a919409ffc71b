//! tus 1.0.0 from outside, obligation by obligation: each row is one request and what must come of
//! it. A refused request changes nothing, and none is ever answered with a 5xx.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};

use support::harness::Site;
use support::tus::{Answer, CHUNK, Client, answer_on, metadata_of, sha1_of, sha256_of};

/// One request: its name, its headers (an empty value leaves a header out), its body, the status.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [u8], u16);

const TYPE: (&str, &str) = ("Content-Type", CHUNK);
const MIB: u64 = 1 << 20;

fn small() -> Site {
    Site::builder()
        .receiver_yml("upload: {max_size: 1MiB, keep_free: 0B}\n")
        .start()
}

/// What every answer has.
#[track_caller]
fn check(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}: {answer:?}");
    assert_eq!(answer.header("tus-resumable"), Some("1.0.0"), "{what}");
    if answer.status == 412 {
        assert_eq!(answer.header("tus-version"), Some("1.0.0"), "{what}");
    }
    if answer.status >= 400 && !answer.body.is_empty() {
        assert!(answer.body.contains("\"error\""), "{what}: {answer:?}");
    }
}

#[test]
fn creations() {
    let site = small();
    let client = Client::of(&site);
    let good = metadata_of("filename", "a-1-video.tar");
    let long = format!("a {}", "QUFB".repeat(4000));
    let twice = format!("{good},{good}");
    let right = sha1_of(b"abc");
    let token = fs::read_to_string(site.token_file()).unwrap();
    let bearer = format!("Bearer {}", token.trim());
    #[rustfmt::skip]
    let rows: &[Row] = &[
        ("a length", &[("Upload-Length", "10")], b"", 201),
        ("the largest", &[("Upload-Length", "1048576")], b"", 201),
        ("nothing at all", &[("Upload-Length", "0")], b"", 201),
        ("no length", &[], b"", 400),
        ("negative", &[("Upload-Length", "-1")], b"", 400),
        ("signed", &[("Upload-Length", "+1")], b"", 400),
        ("a fraction", &[("Upload-Length", "1.5")], b"", 400),
        ("an exponent", &[("Upload-Length", "1e3")], b"", 400),
        ("hexadecimal", &[("Upload-Length", "0x10")], b"", 400),
        ("words", &[("Upload-Length", "ten")], b"", 400),
        ("two numbers", &[("Upload-Length", "1, 2")], b"", 400),
        ("beyond 64 bits", &[("Upload-Length", "18446744073709551616")], b"", 400),
        ("too large by one", &[("Upload-Length", "1048577")], b"", 413),
        ("absurdly large", &[("Upload-Length", "18446744073709551615")], b"", 413),
        ("twice", &[("Upload-Length", "1"), ("Upload-Length", "1")], b"", 400),
        ("deferred", &[("Upload-Defer-Length", "1")], b"", 201),
        ("deferred wrongly", &[("Upload-Defer-Length", "2")], b"", 400),
        ("deferred by a word", &[("Upload-Defer-Length", "true")], b"", 400),
        ("deferred and not", &[("Upload-Length", "5"), ("Upload-Defer-Length", "1")], b"", 400),
        ("metadata", &[("Upload-Length", "5"), ("Upload-Metadata", &good)], b"", 201),
        ("a key alone", &[("Upload-Length", "5"), ("Upload-Metadata", "confidential")], b"", 201),
        ("no base64", &[("Upload-Length", "5"), ("Upload-Metadata", "filename !!!")], b"", 400),
        ("a key twice", &[("Upload-Length", "5"), ("Upload-Metadata", &twice)], b"", 400),
        ("an empty pair", &[("Upload-Length", "5"), ("Upload-Metadata", "a YQ==,,b YQ==")], b"", 400),
        ("two values", &[("Upload-Length", "5"), ("Upload-Metadata", "a YQ== YQ==")], b"", 400),
        ("a key with a tab", &[("Upload-Length", "5"), ("Upload-Metadata", "a\tb YQ==")], b"", 400),
        ("a tab for a space", &[("Upload-Length", "5"), ("Upload-Metadata", "a\tYQ==")], b"", 400),
        ("two spaces", &[("Upload-Length", "5"), ("Upload-Metadata", "a  YQ==")], b"", 400),
        ("endless metadata", &[("Upload-Length", "5"), ("Upload-Metadata", &long)], b"", 400),
        ("a part", &[("Upload-Length", "5"), ("Upload-Concat", "partial")], b"", 201),
        ("a part without end yet", &[("Upload-Defer-Length", "1"), ("Upload-Concat", "partial")], b"", 201),
        ("a part of a part", &[("Upload-Length", "5"), ("Upload-Concat", "Partial")], b"", 400),
        ("no concatenation known", &[("Upload-Length", "5"), ("Upload-Concat", "join")], b"", 400),
        ("first bytes", &[("Upload-Length", "5"), TYPE], b"abc", 201),
        ("all bytes", &[("Upload-Length", "3"), TYPE], b"abc", 201),
        ("first bytes of who knows", &[("Upload-Defer-Length", "1"), TYPE], b"abc", 201),
        ("first bytes beyond the end", &[("Upload-Length", "2"), TYPE], b"abc", 413),
        ("first bytes of another type", &[("Upload-Length", "5"), ("Content-Type", "text/plain")], b"abc", 415),
        ("first bytes of no type", &[("Upload-Length", "5")], b"abc", 415),
        ("pieces of no type", &[("Upload-Length", "5"), ("Transfer-Encoding", "chunked")], b"3\r\nabc\r\n0\r\n\r\n", 415),
        ("no piece of no type", &[("Upload-Length", "5"), ("Transfer-Encoding", "chunked")], b"0\r\n\r\n", 201),
        ("first bytes, packed", &[("Upload-Length", "5"), TYPE, ("Content-Encoding", "gzip")], b"abc", 415),
        ("first bytes with a digest", &[("Upload-Length", "5"), TYPE, ("Upload-Checksum", &right)], b"abc", 201),
        ("first bytes with another's", &[("Upload-Length", "5"), TYPE, ("Upload-Checksum", &right)], b"abd", 460),
        ("first bytes with no digest", &[("Upload-Length", "5"), TYPE, ("Upload-Checksum", "md5 YQ==")], b"abc", 400),
        ("a body in chunks", &[("Upload-Length", "5"), TYPE, ("Transfer-Encoding", "chunked")], b"3\r\nabc\r\n0\r\n\r\n", 201),
        ("chunks beyond the end", &[("Upload-Length", "2"), TYPE, ("Transfer-Encoding", "chunked")], b"3\r\nabc\r\n0\r\n\r\n", 413),
        ("an old version", &[("Upload-Length", "5"), ("Tus-Resumable", "0.2.2")], b"", 412),
        ("a later version", &[("Upload-Length", "5"), ("Tus-Resumable", "1.0.1")], b"", 412),
        ("no version", &[("Upload-Length", "5"), ("Tus-Resumable", "")], b"", 412),
        ("two versions", &[("Upload-Length", "5"), ("Tus-Resumable", "1.0.0"), ("Tus-Resumable", "0.2.2")], b"", 412),
        ("two tokens", &[("Upload-Length", "5"), ("Authorization", &bearer), ("Authorization", &bearer)], b"", 400),
        ("no token", &[("Upload-Length", "5"), ("Authorization", "")], b"", 401),
        ("no token and no version", &[("Authorization", ""), ("Tus-Resumable", "")], b"", 401),
        ("a wrong token", &[("Upload-Length", "5"), ("Authorization", "Bearer x")], b"", 401),
        ("another scheme", &[("Upload-Length", "5"), ("Authorization", "Basic dTpw")], b"", 401),
    ];
    for (what, headers, body, status) in rows {
        let before = uploads(&site);
        let answer = client.ask("POST", "/files/", headers, body);
        check(&answer, *status, what);
        if *status == 201 {
            let path = answer.location();
            assert!(
                answer.header("upload-expires").unwrap().ends_with(" GMT"),
                "{what}"
            );
            let sent = if headers.contains(&TYPE) { 3 } else { 0 };
            assert_eq!(client.offset(&path), sent, "{what}");
        } else {
            assert_eq!(uploads(&site), before, "{what} leaves nothing behind");
        }
    }
    // Without the slash too.
    let answer = client.ask("POST", "/files", &[("Upload-Length", "1")], b"");
    check(&answer, 201, "without a slash");
}

fn uploads(site: &Site) -> usize {
    fs::read_dir(site.path("receiver/spool/incoming"))
        .unwrap()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "json"))
        .count()
}

#[test]
fn chunks() {
    let site = small();
    let client = Client::of(&site);
    let (sha1, sha256) = (sha1_of(b"xyz"), sha256_of(b"xyz"));
    let offset = |n: &'static str| ("Upload-Offset", n);
    // Each is sent to an upload of 10 bytes that stands at 3; the offset reached is the last column.
    #[rustfmt::skip]
    let rows: &[(Row, u64)] = &[
        (("what is due", &[TYPE, offset("3")], b"xyz", 204), 6),
        (("all that is left", &[TYPE, offset("3")], b"defghij", 204), 10),
        (("nothing", &[TYPE, offset("3")], b"", 204), 3),
        (("nothing, without a length", &[TYPE, offset("3"), ("Content-Length", "")], b"", 204), 3),
        (("a type in capitals", &[("Content-Type", "Application/Offset+Octet-Stream"), offset("3")], b"xyz", 204), 6),
        (("with SHA-1", &[TYPE, offset("3"), ("Upload-Checksum", &sha1)], b"xyz", 204), 6),
        (("with SHA-256", &[TYPE, offset("3"), ("Upload-Checksum", &sha256)], b"xyz", 204), 6),
        (("in chunks", &[TYPE, offset("3"), ("Transfer-Encoding", "chunked")], b"1\r\nx\r\n2;a=b\r\nyz\r\n0\r\n\r\n", 204), 6),
        (("an extra header", &[TYPE, offset("3"), ("X-Unknown", "é")], b"xyz", 204), 6),
        (("a length that is known", &[TYPE, offset("3"), ("Upload-Length", "10")], b"xyz", 204), 6),
        (("without an offset", &[TYPE], b"xyz", 400), 3),
        (("a negative offset", &[TYPE, offset("-3")], b"xyz", 400), 3),
        (("a signed offset", &[TYPE, offset("+3")], b"xyz", 400), 3),
        (("a fraction", &[TYPE, offset("3.0")], b"xyz", 400), 3),
        (("a word", &[TYPE, offset("three")], b"xyz", 400), 3),
        (("beyond 64 bits", &[TYPE, offset("99999999999999999999")], b"xyz", 400), 3),
        (("offsets twice", &[TYPE, offset("3"), offset("3")], b"xyz", 400), 3),
        (("from the start", &[TYPE, offset("0")], b"xyz", 409), 3),
        (("one too early", &[TYPE, offset("2")], b"xyz", 409), 3),
        (("one too late", &[TYPE, offset("4")], b"xyz", 409), 3),
        (("from the end", &[TYPE, offset("10")], b"", 409), 3),
        (("from beyond the end", &[TYPE, offset("18446744073709551615")], b"xyz", 409), 3),
        (("without a type", &[offset("3")], b"xyz", 415), 3),
        (("another type", &[("Content-Type", "application/octet-stream"), offset("3")], b"xyz", 415), 3),
        (("a form", &[("Content-Type", "multipart/form-data; boundary=x"), offset("3")], b"xyz", 415), 3),
        (("one byte too many", &[TYPE, offset("3")], b"defghijk", 413), 3),
        (("one too many in chunks", &[TYPE, offset("3"), ("Transfer-Encoding", "chunked")], b"8\r\ndefghijk\r\n0\r\n\r\n", 413), 3),
        (("another's SHA-1", &[TYPE, offset("3"), ("Upload-Checksum", &sha1)], b"xyy", 460), 3),
        (("another's SHA-256", &[TYPE, offset("3"), ("Upload-Checksum", &sha256)], b"xy", 460), 3),
        (("an unknown digest", &[TYPE, offset("3"), ("Upload-Checksum", "crc32 YQ==")], b"xyz", 400), 3),
        (("no digest", &[TYPE, offset("3"), ("Upload-Checksum", "sha1")], b"xyz", 400), 3),
        (("no base64", &[TYPE, offset("3"), ("Upload-Checksum", "sha1 ###")], b"xyz", 400), 3),
        (("two spaces before the digest", &[TYPE, offset("3"), ("Upload-Checksum", &sha1.replace(' ', "  "))], b"xyz", 400), 3),
        (("a tab before the digest", &[TYPE, offset("3"), ("Upload-Checksum", &sha1.replace(' ', "\t"))], b"xyz", 400), 3),
        (("packed", &[TYPE, offset("3"), ("Content-Encoding", "gzip")], b"xyz", 415), 3),
        (("not packed, in words", &[TYPE, offset("3"), ("Content-Encoding", "identity")], b"xyz", 204), 6),
        (("a short digest", &[TYPE, offset("3"), ("Upload-Checksum", "sha1 YQ==")], b"xyz", 400), 3),
        (("another length", &[TYPE, offset("3"), ("Upload-Length", "11")], b"xyz", 400), 3),
        (("too large a length", &[TYPE, offset("3"), ("Upload-Length", "1048577")], b"xyz", 413), 3),
        (("an old version", &[TYPE, offset("3"), ("Tus-Resumable", "0.2.2")], b"xyz", 412), 3),
        (("no version", &[TYPE, offset("3"), ("Tus-Resumable", "")], b"xyz", 412), 3),
        (("no token", &[TYPE, offset("3"), ("Authorization", "")], b"xyz", 401), 3),
        (("a wrong token", &[TYPE, offset("3"), ("Authorization", "Bearer x")], b"xyz", 401), 3),
    ];
    for ((what, headers, body, status), reached) in rows {
        let path = client.create(10);
        check(&client.patch(&path, 0, b"abc"), 204, "the first bytes");
        let answer = client.ask("PATCH", &path, headers, body);
        check(&answer, *status, what);
        match answer.status {
            204 => {
                assert_eq!(answer.number("upload-offset"), *reached, "{what}");
                assert!(answer.header("upload-expires").is_some(), "{what}");
            }
            409 => assert_eq!(answer.number("upload-offset"), 3, "{what}"),
            _ => {}
        }
        assert_eq!(client.offset(&path), *reached, "{what}");
    }
}

#[test]
fn methods_and_places() {
    let site = small();
    let client = Client::of(&site);
    let other = site
        .receiver(["node", "add", "other.example.org"])
        .success();
    let other = Client::new(&site.address(), other.trim());
    let path = client.create(5);
    let absent = format!("/files/{}", "0".repeat(32));

    // Discovery asks for neither token nor version.
    for place in ["/files/", "/files", path.as_str(), absent.as_str()] {
        let headers = [("Tus-Resumable", "9.9.9"), ("Authorization", "")];
        let options = client.ask("OPTIONS", place, &headers, b"");
        assert_eq!(options.status, 204, "{place}");
        assert_eq!(options.header("tus-version"), Some("1.0.0"));
        assert_eq!(options.number("tus-max-size"), MIB);
        assert_eq!(
            options.header("tus-checksum-algorithm"),
            Some("sha1,sha256,crc32")
        );
        let extensions = options.header("tus-extension").unwrap();
        let mut extensions: Vec<_> = extensions.split(',').collect();
        extensions.sort_unstable();
        assert_eq!(
            extensions,
            [
                "checksum",
                "concatenation",
                "creation",
                "creation-defer-length",
                "creation-with-upload",
                "expiration",
                "termination"
            ]
        );
    }

    // Everything else is refused first for who asks, then for the version, then for itself.
    for method in [
        "POST", "HEAD", "PATCH", "DELETE", "GET", "PUT", "TRACE", "BREW",
    ] {
        for place in ["/files/", path.as_str(), absent.as_str(), "/files/a/b/c"] {
            for wrong in [
                "",
                "Bearer",
                "Bearer  ",
                "Bearer wrong",
                "Basic dTpw",
                "Bearer a b",
                "\u{e9}",
            ] {
                let headers = [
                    ("Authorization", wrong),
                    TYPE,
                    ("Upload-Offset", "0"),
                    ("Upload-Length", "5"),
                ];
                let answer = client.ask(method, place, &headers, b"");
                check(&answer, 401, &format!("{method} {place} {wrong:?}"));
                assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            }
        }
        let known = ["POST", "HEAD", "PATCH", "DELETE"].contains(&method);
        let answer = client.ask(method, &path, &[("Upload-Length", "5")], b"");
        match method {
            "GET" | "PUT" | "TRACE" | "BREW" | "POST" => {
                check(&answer, 405, method);
                assert!(
                    answer.header("allow").unwrap().contains("PATCH"),
                    "{method}"
                );
            }
            "HEAD" => check(&answer, 200, method),
            "PATCH" => check(&answer, 415, method),
            _ => {
                check(&answer, 204, method);
                check(&client.ask(method, &path, &[], b""), 404, "deleted twice");
            }
        }
        if known && method != "POST" {
            let headers = [TYPE, ("Upload-Offset", "0")];
            check(&client.ask(method, &absent, &headers, b""), 404, method);
        }
    }

    // An upload belongs to the node that made it.
    let path = client.create(5);
    for method in ["HEAD", "PATCH", "DELETE"] {
        let headers = [TYPE, ("Upload-Offset", "0")];
        check(&other.ask(method, &path, &headers, b"abc"), 404, method);
    }
    assert_eq!(client.offset(&path), 0);

    // Names that are none.
    for strange in [
        "/files/x",
        "/files/..%2f..%2fetc%2fpasswd",
        "/files/%00",
        "/files/%ff",
        "/files/%C3%A9",
        "/files/a/b",
        "/files/..",
        "/files//",
    ] {
        check(&client.ask("HEAD", strange, &[], b""), 404, strange);
    }

    // Clients behind narrow-minded proxies name the method in a header.
    let by_name = |method: &str, named: &str, path: &str, body: &[u8]| {
        let headers = [
            TYPE,
            ("Upload-Offset", "0"),
            ("X-HTTP-Method-Override", named),
        ];
        client.ask(method, path, &headers, body)
    };
    check(
        &by_name("POST", "PATCH", &path, b"ab"),
        204,
        "PATCH in a header",
    );
    assert_eq!(
        by_name("POST", "head", &path, b"").number("upload-offset"),
        2
    );
    check(
        &by_name("PUT", "DELETE", &path, b""),
        204,
        "DELETE in a header",
    );
    check(&by_name("POST", "D E", &path, b""), 400, "no method at all");
    check(
        &by_name("POST", "BREW", &path, b""),
        405,
        "an unknown method",
    );
    check(&client.ask("HEAD", &path, &[], b""), 404, "it is gone");
}

#[test]
fn where_an_upload_stands() {
    let site = small();
    let client = Client::of(&site);
    let metadata = format!(
        "{},empty,{}",
        metadata_of("filename", "x.tar"),
        metadata_of("a", "é")
    );
    let headers = [
        ("Upload-Length", "5"),
        ("Upload-Metadata", metadata.as_str()),
    ];
    let path = client.ask("POST", "/files/", &headers, b"").location();
    client.patch(&path, 0, b"ab");
    let head = client.ask("HEAD", &path, &[], b"");
    check(&head, 200, "HEAD");
    assert_eq!(
        (head.number("upload-offset"), head.number("upload-length")),
        (2, 5)
    );
    assert_eq!(head.header("upload-metadata"), Some(metadata.as_str()));
    assert_eq!(head.header("cache-control"), Some("no-store"));
    assert_eq!(head.header("upload-defer-length"), None);
    assert_eq!(head.header("upload-concat"), None);
    check(&client.patch(&path, 2, b"cde"), 204, "the rest");
    assert_eq!(client.offset(&path), 5, "a complete upload is still told");
    check(&client.patch(&path, 5, b""), 204, "nothing more");
    check(&client.patch(&path, 5, b"f"), 413, "more");
    let chunked = [
        TYPE,
        ("Upload-Offset", "5"),
        ("Transfer-Encoding", "chunked"),
    ];
    let more = client.ask("PATCH", &path, &chunked, b"1\r\nf\r\n0\r\n\r\n");
    check(&more, 413, "more, in chunks");
    check(&client.patch(&path, 2, b"cde"), 409, "the same again");
}

#[test]
fn a_length_told_later() {
    let site = small();
    let client = Client::of(&site);
    let defer = || {
        client
            .ask("POST", "/files/", &[("Upload-Defer-Length", "1")], b"")
            .location()
    };
    let patch = |path: &str, offset: &str, length: &str, body: &[u8]| {
        let headers = [TYPE, ("Upload-Offset", offset), ("Upload-Length", length)];
        client.ask("PATCH", path, &headers, body)
    };
    let path = defer();
    check(&patch(&path, "0", "", b"abc"), 204, "without a length");
    let head = client.ask("HEAD", &path, &[], b"");
    assert_eq!(head.header("upload-defer-length"), Some("1"));
    assert_eq!(head.header("upload-length"), None);
    check(&patch(&path, "3", "2", b""), 400, "less than is here");
    check(&patch(&path, "3", "1048577", b""), 413, "too much");
    check(&patch(&path, "3", "6", b"d"), 204, "with a length");
    let head = client.ask("HEAD", &path, &[], b"");
    assert_eq!(
        (head.number("upload-length"), head.number("upload-offset")),
        (6, 4)
    );
    assert_eq!(head.header("upload-defer-length"), None);
    check(&patch(&path, "4", "7", b"e"), 400, "another length");
    check(&patch(&path, "4", "6", b"efg"), 413, "beyond the end");
    check(&patch(&path, "4", "6", b"ef"), 204, "the same length again");
    assert_eq!(client.offset(&path), 6);

    let path = defer();
    check(&patch(&path, "0", "", b"abc"), 204, "everything");
    check(&patch(&path, "3", "3", b""), 204, "that was all");
    assert_eq!(
        client.ask("HEAD", &path, &[], b"").number("upload-length"),
        3
    );

    let path = defer();
    let too_much = vec![0; MIB as usize + 1];
    check(&patch(&path, "0", "", &too_much), 413, "more than is taken");
    assert_eq!(client.offset(&path), 0);
}

#[test]
fn uploads_made_of_parts() {
    let site = small();
    let client = Client::of(&site);
    let part = |bytes: &[u8]| {
        let length = bytes.len().to_string();
        let headers = [
            ("Upload-Length", length.as_str()),
            ("Upload-Concat", "partial"),
            TYPE,
        ];
        client.ask("POST", "/files/", &headers, bytes).location()
    };
    let join = |parts: &str, more: (&str, &str), body: &[u8]| {
        let concat = format!("final;{parts}");
        let headers = [("Upload-Concat", concat.as_str()), more];
        client.ask("POST", "/files/", &headers, body)
    };
    let none = ("Upload-Length", "");
    let (a, b) = (part(b"hello "), part(b"world"));
    let head = client.ask("HEAD", &a, &[], b"");
    assert_eq!(head.header("upload-concat"), Some("partial"));
    assert_eq!(head.number("upload-offset"), 6);

    let named = metadata_of("filename", "x.tar");
    let base = format!("{}{a} {b}", site.address());
    let whole = join(&base, ("Upload-Metadata", &named), b"");
    check(&whole, 201, "two parts");
    let whole = whole.location();
    let head = client.ask("HEAD", &whole, &[], b"");
    assert_eq!(
        (head.number("upload-offset"), head.number("upload-length")),
        (11, 11)
    );
    assert_eq!(
        head.header("upload-concat").unwrap(),
        format!("final;{base}")
    );
    assert_eq!(head.header("upload-metadata"), Some(named.as_str()));
    check(
        &client.patch(&whole, 11, b"!"),
        403,
        "a chunk for the whole",
    );

    // Parts may be used again, in another order, twice in one.
    let again = join(&format!("{b} {a} {b}"), none, b"").location();
    assert_eq!(client.offset(&again), 16);
    let id = again.trim_start_matches("/files/");
    let aside = site.path(&format!("receiver/spool/rejected/upload~{id}.tar"));
    let arrived = support::harness::eventually(
        "what is no package is put aside",
        std::time::Duration::from_secs(30),
        || aside.exists().then(|| fs::read(&aside).unwrap()),
    );
    assert_eq!(arrived, b"worldhello world");

    let half = {
        let headers = [("Upload-Length", "9"), ("Upload-Concat", "partial")];
        client.ask("POST", "/files/", &headers, b"").location()
    };
    let plain = client.create(3);
    client.patch(&plain, 0, b"abc");
    let large = part(&vec![0; MIB as usize]);
    let other = site
        .receiver(["node", "add", "other.example.org"])
        .success();
    let other = Client::new(&site.address(), other.trim());
    let before = uploads(&site);
    check(
        &join(&format!("{a} {half}"), none, b""),
        400,
        "an unfinished part",
    );
    check(&join(&plain, none, b""), 400, "no part at all");
    check(&join(&whole, none, b""), 400, "a whole of a whole");
    check(
        &join(&format!("{large} {a}"), none, b""),
        413,
        "too large together",
    );
    check(&join(&a, ("Upload-Length", "6"), b""), 400, "with a length");
    check(
        &join(&a, ("Upload-Defer-Length", "1"), b""),
        400,
        "with a length to come",
    );
    check(&join(&a, TYPE, b"more"), 403, "with bytes");
    check(&join("", none, b""), 400, "no parts");
    check(&join("/etc/passwd", none, b""), 400, "elsewhere");
    check(
        &join(&format!("/files/{}", "0".repeat(32)), none, b""),
        404,
        "unknown",
    );
    let concat = format!("final;{a}");
    let stolen = other.ask("POST", "/files/", &[("Upload-Concat", &concat)], b"");
    check(&stolen, 404, "another node's part");
    assert_eq!(uploads(&site), before);
    check(&client.ask("DELETE", &a, &[], b""), 204, "a part may go");
}

#[test]
fn whoever_is_refused_hears_it_and_can_go_on() {
    let site = small();
    let client = Client::of(&site);
    let path = client.create(10);
    // Whoever is refused before his bytes are read goes on over the same connection.
    let wrong = [("Authorization", "Bearer x"), TYPE, ("Upload-Offset", "0")];
    let in_one = [wrong[0], TYPE, wrong[2], ("Content-Length", "3")];
    let in_pieces = [wrong[0], TYPE, wrong[2], ("Transfer-Encoding", "chunked")];
    for (headers, body) in [(in_one, &b"abc"[..]), (in_pieces, b"3\r\nabc\r\n0\r\n\r\n")] {
        let mut bytes = client.head("PATCH", &path, &headers).into_bytes();
        bytes.extend_from_slice(body);
        let stream = client.send(&bytes);
        let kept = stream.try_clone().unwrap();
        check(&answer_on(stream).unwrap(), 401, "a wrong token");
        let next = client.head("HEAD", &path, &[("Connection", "close")]);
        (&kept).write_all(next.as_bytes()).unwrap();
        check(&answer_on(kept).unwrap(), 200, "the next request");
    }
    // One that sends much before it listens hears it all the same.
    let much = vec![7; 6_000_000];
    check(&client.ask("PATCH", &path, &wrong, &much), 401, "much");
    check(&client.patch(&path, 0, &much), 413, "too much");
    // One that asks first sends nothing, and hears that this connection ends.
    let asks = [
        wrong[0],
        TYPE,
        wrong[2],
        ("Content-Length", "5"),
        ("Expect", "100-continue"),
    ];
    let answer = answer_on(client.send(client.head("PATCH", &path, &asks).as_bytes())).unwrap();
    check(&answer, 401, "asked first");
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(client.offset(&path), 0);
}

#[test]
fn where_an_upload_stands_can_be_asked_at_any_time() {
    let site = small();
    let client = Client::of(&site);
    // While a request goes on: at once, and the request is not disturbed.
    let path = client.create(100_000);
    let headers = [
        TYPE,
        ("Upload-Offset", "0"),
        ("Content-Length", "100000"),
        ("Connection", "close"),
    ];
    let mut bytes = client.head("PATCH", &path, &headers).into_bytes();
    bytes.extend_from_slice(&[1; 50_000]);
    let under_way = client.send(&bytes);
    assert!(client.offset(&path) <= 50_000);
    (&under_way).write_all(&[1; 50_000]).unwrap();
    check(&answer_on(under_way).unwrap(), 204, "undisturbed");
    // While the last byte is committed, and while it is removed.
    for round in 0..12 {
        let path = client.create(5000);
        let ended = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !ended.load(Ordering::Relaxed) {
                        let answer = client.ask("HEAD", &path, &[], b"");
                        assert!([200, 404].contains(&answer.status), "{answer:?}");
                    }
                });
            }
            let patched = client.patch(&path, 0, &[2; 5000]);
            check(&patched, 204, "committed");
            if round % 2 == 0 {
                check(&client.ask("DELETE", &path, &[], b""), 204, "removed");
            }
            ended.store(true, Ordering::Relaxed);
        });
    }
}

#[test]
fn pages_of_the_sites_named_may_upload() {
    let site = Site::builder()
        .receiver_yml("upload: {keep_free: 0B, cors_origins: ['https://upload.example']}\n")
        .start();
    let client = Client::of(&site);
    let origin = ("Origin", "https://upload.example");
    let nobody = ("Authorization", "");
    let asks = [
        origin,
        nobody,
        ("Access-Control-Request-Method", "PATCH"),
        (
            "Access-Control-Request-Headers",
            "authorization,upload-offset",
        ),
    ];
    let path = client.create(5);
    for place in ["/files/", path.as_str()] {
        let preflight = client.ask("OPTIONS", place, &asks, b"");
        assert_eq!(preflight.status, 204, "{preflight:?}");
        let said = |name: &str| preflight.header(name).unwrap_or_default().to_lowercase();
        assert_eq!(said("access-control-allow-origin"), origin.1);
        assert_eq!(said("vary"), "origin");
        for method in ["post", "patch", "head", "delete"] {
            assert!(said("access-control-allow-methods").contains(method));
        }
        for header in [
            "authorization",
            "upload-offset",
            "tus-resumable",
            "upload-concat",
        ] {
            assert!(
                said("access-control-allow-headers").contains(header),
                "{header}"
            );
        }
    }
    for (answer, status) in [
        (client.ask("HEAD", &path, &[origin], b""), 200),
        (client.ask("HEAD", &path, &[origin, nobody], b""), 401),
        (
            client.ask("POST", "/files/", &[origin, ("Upload-Length", "1")], b""),
            201,
        ),
    ] {
        check(&answer, status, "a page's request");
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin.1));
        let exposed = answer.header("access-control-expose-headers").unwrap();
        for header in ["Location", "Upload-Offset", "Upload-Length"] {
            assert!(exposed.contains(header), "{exposed}");
        }
    }
    // Others are told nothing.
    let other = ("Origin", "https://elsewhere.example");
    let answer = client.ask("HEAD", &path, &[other], b"");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    let answer = client.ask("OPTIONS", &path, &[other, asks[2]], b"");
    assert_eq!(answer.header("access-control-allow-origin"), None);
    assert_eq!(answer.header("tus-version"), Some("1.0.0"));
}
