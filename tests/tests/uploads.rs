//! The receiver's tus server, from outside: what any client may send it.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response, StatusCode};
use sha1::Digest as _;
use support::harness::Site;

const CHUNK: &str = "application/offset+octet-stream";

/// A client with a node's token.
struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    fn of(site: &Site) -> Client {
        Client {
            http: reqwest::Client::new(),
            base: site.address(),
            token: fs::read_to_string(site.token_file())
                .unwrap()
                .trim()
                .to_owned(),
        }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http
            .request(method, format!("{}{path}", self.base))
            .header("Tus-Resumable", "1.0.0")
            .bearer_auth(&self.token)
    }

    async fn create(&self, length: u64) -> String {
        let made = self
            .request("POST", "/files/")
            .header("Upload-Length", length)
            .send()
            .await
            .unwrap();
        assert_eq!(made.status(), StatusCode::CREATED);
        made.headers()["location"].to_str().unwrap().to_owned()
    }

    async fn patch(&self, path: &str, offset: u64, bytes: impl Into<reqwest::Body>) -> Response {
        let patch = self
            .request("PATCH", path)
            .header("Content-Type", CHUNK)
            .header("Upload-Offset", offset);
        patch.body(bytes).send().await.unwrap()
    }

    async fn offset(&self, path: &str) -> u64 {
        number(
            &self.request("HEAD", path).send().await.unwrap(),
            "upload-offset",
        )
    }

    /// Sends bytes as they are, and gives what comes back before the server or we hang up.
    fn raw(&self, request: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.base.trim_start_matches("http://")).unwrap();
        let headers = format!(
            "{request}\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nAuthorization: Bearer {}\r\n\r\n",
            self.token
        );
        stream.write_all(headers.as_bytes()).unwrap();
        stream.write_all(body).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        stream
    }
}

fn number(response: &Response, name: &str) -> u64 {
    response.headers()[name].to_str().unwrap().parse().unwrap()
}

fn sha1_of(bytes: &[u8]) -> String {
    format!("sha1 {}", STANDARD.encode(sha1::Sha1::digest(bytes)))
}

fn sha256_of(bytes: &[u8]) -> String {
    format!("sha256 {}", STANDARD.encode(sha2::Sha256::digest(bytes)))
}

#[tokio::test]
async fn options_tells_what_is_offered_without_a_token_or_version() {
    let site = Site::start();
    let client = Client::of(&site);
    let url = format!("{}/files/", client.base);
    let response = client
        .http
        .request(Method::OPTIONS, url)
        .header("Tus-Resumable", "9.9.9")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    let header = |name: &str| response.headers()[name].to_str().unwrap();
    assert_eq!(header("tus-version"), "1.0.0");
    assert_eq!(
        header("tus-extension"),
        "creation,creation-with-upload,checksum,expiration,termination"
    );
    assert_eq!(header("tus-checksum-algorithm"), "sha1,sha256");
    assert_eq!(header("tus-max-size"), (64u64 << 30).to_string());
}

#[tokio::test]
async fn an_upload_in_pieces_with_every_header_that_is_due() {
    let site = Site::start();
    let client = Client::of(&site);
    let metadata = format!(
        "filename {},empty,other {}",
        STANDARD.encode("x.tar"),
        STANDARD.encode("é")
    );
    let made = client
        .request("POST", "/files/")
        .header("Upload-Length", 10)
        .header("Upload-Metadata", &metadata);
    let made = made.send().await.unwrap();
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(made.headers()["tus-resumable"], "1.0.0");
    assert!(made.headers().contains_key("upload-expires"));
    let path = made.headers()["location"].to_str().unwrap().to_owned();

    let first = client.patch(&path, 0, "01234").await;
    assert_eq!(first.status(), StatusCode::NO_CONTENT);
    assert_eq!(number(&first, "upload-offset"), 5);
    assert!(
        first.headers()["upload-expires"]
            .to_str()
            .unwrap()
            .ends_with(" GMT")
    );

    let head = client.request("HEAD", &path).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(
        (
            number(&head, "upload-offset"),
            number(&head, "upload-length")
        ),
        (5, 10)
    );
    assert_eq!(head.headers()["cache-control"], "no-store");
    assert_eq!(head.headers()["upload-metadata"], metadata.as_str());

    assert_eq!(
        client.patch(&path, 5, "56789").await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        client.offset(&path).await,
        10,
        "a complete upload is still told"
    );
    assert_eq!(
        client.patch(&path, 10, "").await.status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        client.patch(&path, 10, "more").await.status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(
        client.patch(&path, 3, "more").await.status(),
        StatusCode::CONFLICT
    );
}

#[tokio::test]
async fn bad_requests_are_refused_with_the_right_status_and_change_nothing() {
    let site = Site::builder()
        .receiver_yml("upload: {max_size: 1MiB, keep_free: 0B}\n")
        .start();
    let client = Client::of(&site);
    let path = client.create(10).await;
    client.patch(&path, 0, "abc").await;
    let post: &[(&[(&str, &str)], u16)] = &[
        (&[], 400),
        (&[("Upload-Length", "-1")], 400),
        (&[("Upload-Length", "ten")], 400),
        (&[("Upload-Length", "18446744073709551616")], 400),
        (&[("Upload-Length", "1048577")], 413),
        (&[("Upload-Length", "18446744073709551615")], 413),
        (&[("Upload-Defer-Length", "1")], 400),
        (&[("Upload-Length", "5"), ("Upload-Defer-Length", "2")], 400),
        (&[("Upload-Length", "5"), ("Upload-Concat", "partial")], 400),
        (
            &[("Upload-Length", "5"), ("Upload-Metadata", "filename !!!")],
            400,
        ),
        (
            &[("Upload-Length", "5"), ("Upload-Metadata", "a YQ==,a YQ==")],
            400,
        ),
    ];
    for (headers, status) in post {
        let mut request = client.request("POST", "/files/");
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), *status, "{headers:?}");
        let said: serde_json::Value = response.json().await.unwrap();
        assert!(!said["error"].as_str().unwrap().is_empty());
    }
    let patch: &[(&[(&str, &str)], u16)] = &[
        (&[("Content-Type", CHUNK)], 400),
        (&[("Content-Type", CHUNK), ("Upload-Offset", "-3")], 400),
        (&[("Content-Type", CHUNK), ("Upload-Offset", "3.0")], 400),
        (
            &[
                ("Content-Type", "application/octet-stream"),
                ("Upload-Offset", "3"),
            ],
            415,
        ),
        (&[("Upload-Offset", "3")], 415),
        (&[("Content-Type", CHUNK), ("Upload-Offset", "0")], 409),
        (&[("Content-Type", CHUNK), ("Upload-Offset", "4")], 409),
        (
            &[
                ("Content-Type", CHUNK),
                ("Upload-Offset", "3"),
                ("Upload-Checksum", "md5 YQ=="),
            ],
            400,
        ),
        (
            &[
                ("Content-Type", CHUNK),
                ("Upload-Offset", "3"),
                ("Upload-Checksum", "sha1"),
            ],
            400,
        ),
        (
            &[
                ("Content-Type", CHUNK),
                ("Upload-Offset", "3"),
                ("Upload-Checksum", "sha1 ###"),
            ],
            400,
        ),
    ];
    for (headers, status) in patch {
        let mut request = client.request("PATCH", &path).body("xyz");
        for (name, value) in *headers {
            request = request.header(*name, *value);
        }
        assert_eq!(
            request.send().await.unwrap().status().as_u16(),
            *status,
            "{headers:?}"
        );
        assert_eq!(client.offset(&path).await, 3, "{headers:?}");
    }
    assert_eq!(
        client.patch(&path, 3, vec![0; 8]).await.status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(client.offset(&path).await, 3);
}

#[tokio::test]
async fn the_version_is_checked_before_anything_is_done() {
    let site = Site::start();
    let client = Client::of(&site);
    let path = client.create(3).await;
    for (method, path) in [
        ("POST", "/files/"),
        ("HEAD", path.as_str()),
        ("PATCH", &path),
        ("DELETE", &path),
    ] {
        for version in [None, Some("0.2.2"), Some("1.0.1")] {
            let url = format!("{}{path}", client.base);
            let mut request = client
                .http
                .request(Method::from_bytes(method.as_bytes()).unwrap(), url);
            request = request
                .bearer_auth(&client.token)
                .header("Upload-Length", 3)
                .header("Upload-Offset", 0);
            request = request
                .header("Content-Type", CHUNK)
                .body(if method == "PATCH" { "abc" } else { "" });
            if let Some(version) = version {
                request = request.header("Tus-Resumable", version);
            }
            let response = request.send().await.unwrap();
            assert_eq!(
                response.status(),
                StatusCode::PRECONDITION_FAILED,
                "{method} {version:?}"
            );
            assert_eq!(response.headers()["tus-version"], "1.0.0");
        }
    }
    assert_eq!(client.offset(&path).await, 0);
}

#[tokio::test]
async fn every_method_needs_a_token_and_uploads_belong_to_their_node() {
    let site = Site::start();
    let client = Client::of(&site);
    let path = client.create(3).await;
    let other = site
        .receiver(["node", "add", "other.example.org"])
        .success();
    for method in ["POST", "HEAD", "PATCH", "DELETE", "GET", "PUT"] {
        let at = if method == "POST" { "/files/" } else { &path };
        for authorization in [
            None,
            Some("Bearer wrong"),
            Some("Basic dTpw"),
            Some("Bearer"),
            Some("\u{e9}"),
        ] {
            let url = format!("{}{at}", client.base);
            let mut request = client
                .http
                .request(Method::from_bytes(method.as_bytes()).unwrap(), url);
            request = request
                .header("Tus-Resumable", "1.0.0")
                .header("Upload-Length", 3);
            if let Some(authorization) = authorization {
                request = request.header("Authorization", authorization);
            }
            let response = request.send().await.unwrap();
            assert_eq!(
                response.status(),
                StatusCode::UNAUTHORIZED,
                "{method} {authorization:?}"
            );
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
        }
        if method != "POST" {
            let url = format!("{}{path}", client.base);
            let request = client
                .http
                .request(Method::from_bytes(method.as_bytes()).unwrap(), url);
            let request = request
                .header("Tus-Resumable", "1.0.0")
                .header("Upload-Offset", 0)
                .header("Content-Type", CHUNK);
            let status = request
                .bearer_auth(other.trim())
                .send()
                .await
                .unwrap()
                .status();
            let expected = if matches!(method, "GET" | "PUT") {
                405
            } else {
                404
            };
            assert_eq!(status.as_u16(), expected, "{method}");
        }
    }
    site.receiver(["node", "remove", "bbb1.example.org"])
        .success();
    let response = client.request("HEAD", &path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn checksums_hold_or_the_chunk_never_happened() {
    let site = Site::start();
    let client = Client::of(&site);
    let path = client.create(6).await;
    let send = |offset: u64, bytes: &'static [u8], checksum: String| {
        let request = client
            .request("PATCH", &path)
            .header("Content-Type", CHUNK)
            .header("Upload-Offset", offset);
        request
            .header("Upload-Checksum", checksum)
            .body(bytes)
            .send()
    };
    assert_eq!(
        send(0, b"abc", sha1_of(b"abd"))
            .await
            .unwrap()
            .status()
            .as_u16(),
        460
    );
    assert_eq!(client.offset(&path).await, 0);
    assert_eq!(
        send(0, b"abc", sha1_of(b"abc")).await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(
        send(3, b"def", sha256_of(b"abc"))
            .await
            .unwrap()
            .status()
            .as_u16(),
        460
    );
    assert_eq!(
        send(3, b"def", sha256_of(b"def")).await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    assert_eq!(client.offset(&path).await, 6);
}

#[tokio::test]
async fn creation_with_upload_takes_the_first_bytes() {
    let site = Site::start();
    let client = Client::of(&site);
    let post = |length: u64, bytes: &'static [u8]| {
        let request = client
            .request("POST", "/files/")
            .header("Upload-Length", length);
        request.header("Content-Type", CHUNK).body(bytes)
    };
    let made = post(6, b"abc").send().await.unwrap();
    assert_eq!(made.status(), StatusCode::CREATED);
    assert_eq!(number(&made, "upload-offset"), 3);
    let path = made.headers()["location"].to_str().unwrap().to_owned();
    assert_eq!(client.offset(&path).await, 3);
    assert_eq!(
        post(2, b"abc").send().await.unwrap().status(),
        StatusCode::PAYLOAD_TOO_LARGE
    );
    let wrong = post(6, b"abc")
        .header("Upload-Checksum", sha1_of(b"x"))
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status().as_u16(), 460);
    let typed = client
        .request("POST", "/files/")
        .header("Upload-Length", 6)
        .header("Content-Type", "text/plain")
        .body("abc");
    assert_eq!(
        typed.send().await.unwrap().status(),
        StatusCode::UNSUPPORTED_MEDIA_TYPE
    );
}

#[tokio::test]
async fn methods_may_be_named_in_a_header() {
    let site = Site::start();
    let client = Client::of(&site);
    let path = client.create(3).await;
    let patch = client
        .request("POST", &path)
        .header("X-HTTP-Method-Override", "PATCH")
        .header("Upload-Offset", 0);
    let patch = patch
        .header("Content-Type", CHUNK)
        .body("ab")
        .send()
        .await
        .unwrap();
    assert_eq!(patch.status(), StatusCode::NO_CONTENT);
    let delete = client
        .request("POST", &path)
        .header("X-HTTP-Method-Override", "DELETE")
        .send()
        .await
        .unwrap();
    assert_eq!(delete.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_terminated_upload_is_gone_and_so_are_its_files() {
    let site = Site::start();
    let client = Client::of(&site);
    let path = client.create(3).await;
    client.patch(&path, 0, "ab").await;
    assert_eq!(
        client
            .request("DELETE", &path)
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::NO_CONTENT
    );
    for method in ["HEAD", "DELETE"] {
        assert_eq!(
            client.request(method, &path).send().await.unwrap().status(),
            StatusCode::NOT_FOUND
        );
    }
    assert_eq!(
        client.patch(&path, 2, "c").await.status(),
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        fs::read_dir(site.path("receiver/spool/incoming"))
            .unwrap()
            .count(),
        0
    );
    for strange in [
        "/files/x",
        "/files/..%2f..%2fetc%2fpasswd",
        "/files/%00",
        "/files/é",
    ] {
        assert_eq!(
            client
                .request("HEAD", strange)
                .send()
                .await
                .unwrap()
                .status(),
            StatusCode::NOT_FOUND,
            "{strange}"
        );
    }
}

#[tokio::test]
async fn what_came_before_a_broken_connection_is_kept_unless_it_had_a_checksum() {
    let site = Site::start();
    let client = Client::of(&site);
    for (checksum, kept) in [
        ("", 1000),
        ("Upload-Checksum: sha1 qvTGHdzF6KLavt4PO0gs2a6pQ00=\r\n", 0),
    ] {
        let path = client.create(100_000).await;
        let request = format!(
            "PATCH {path} HTTP/1.1\r\n{checksum}Content-Type: {CHUNK}\r\nUpload-Offset: 0\r\nContent-Length: 100000"
        );
        drop(client.raw(&request, &[7; 1000]));
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while client.offset(&path).await != kept {
            assert!(
                std::time::Instant::now() < deadline,
                "{} bytes kept",
                client.offset(&path).await
            );
            tokio::task::yield_now().await;
        }
        assert_eq!(
            client.patch(&path, kept, vec![7; 10]).await.status(),
            StatusCode::NO_CONTENT
        );
    }
}

#[tokio::test]
async fn bodies_in_chunks_without_a_length_are_taken() {
    let site = Site::start();
    let client = Client::of(&site);
    let path = client.create(6).await;
    let request = |offset: u64| {
        format!(
            "PATCH {path} HTTP/1.1\r\nConnection: close\r\nContent-Type: {CHUNK}\r\nUpload-Offset: {offset}\r\nTransfer-Encoding: chunked"
        )
    };
    let mut answer = String::new();
    client
        .raw(&request(0), b"3\r\nabc\r\n0\r\n\r\n")
        .read_to_string(&mut answer)
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 204"), "{answer}");
    assert_eq!(client.offset(&path).await, 3);
    let mut answer = String::new();
    client
        .raw(&request(3), b"9\r\nabcdefghi\r\n0\r\n\r\n")
        .read_to_string(&mut answer)
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(client.offset(&path).await, 3);
}

#[tokio::test]
async fn of_two_requests_at_once_one_writes() {
    let site = Site::start();
    let client = Client::of(&site);
    let bytes = vec![5u8; 3_000_000];
    let path = client.create(bytes.len() as u64).await;
    let patches = (0..6).map(|_| client.patch(&path, 0, bytes.clone()));
    let statuses: Vec<_> = futures::future::join_all(patches)
        .await
        .iter()
        .map(|r| r.status().as_u16())
        .collect();
    assert_eq!(
        statuses.iter().filter(|s| **s == 204).count(),
        1,
        "{statuses:?}"
    );
    assert_eq!(
        statuses.iter().filter(|s| **s == 409).count(),
        5,
        "{statuses:?}"
    );
    assert_eq!(client.offset(&path).await, bytes.len() as u64);
}

#[tokio::test]
async fn a_retry_takes_over_from_a_request_that_hangs() {
    let site = Site::start();
    let client = Client::of(&site);
    let path = client.create(10).await;
    let request = format!(
        "PATCH {path} HTTP/1.1\r\nContent-Type: {CHUNK}\r\nUpload-Offset: 0\r\nContent-Length: 10"
    );
    let hanging = client.raw(&request, b"abc");
    let retried = client.patch(&path, 0, "abcdefghij").await;
    // What the hanging request had sent is committed first, so the retry learns the new offset.
    assert_eq!(retried.status(), StatusCode::CONFLICT);
    assert_eq!(number(&retried, "upload-offset"), 3);
    assert_eq!(
        client.patch(&path, 3, "defghij").await.status(),
        StatusCode::NO_CONTENT
    );
    drop(hanging);
}

#[tokio::test]
async fn an_upload_goes_on_after_the_receiver_was_killed() {
    let mut site = Site::start();
    let client = Client::of(&site);
    let path = client.create(9).await;
    client.patch(&path, 0, "abc").await;
    site.kill_receiver();
    site.start_receiver();
    let client = Client::of(&site);
    assert_eq!(client.offset(&path).await, 3);
    assert_eq!(
        client.patch(&path, 3, "defghi").await.status(),
        StatusCode::NO_CONTENT
    );
}

#[tokio::test]
async fn no_space_is_507_and_nothing_is_made() {
    let site = Site::builder()
        .receiver_yml("upload: {keep_free: 1000TiB}\n")
        .start();
    let client = Client::of(&site);
    let refused = client
        .request("POST", "/files/")
        .header("Upload-Length", 10)
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(
        fs::read_dir(site.path("receiver/spool/incoming"))
            .unwrap()
            .count(),
        0
    );
}

#[tokio::test]
async fn expired_uploads_are_gone() {
    let site = Site::builder()
        .receiver_yml("upload: {expire_after: 1s, keep_free: 0B}\n")
        .start();
    let client = Client::of(&site);
    let path = client.create(10).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let status = client.request("HEAD", &path).send().await.unwrap().status();
        if status == StatusCode::NOT_FOUND {
            break;
        }
        assert_eq!(status, StatusCode::OK);
        assert!(std::time::Instant::now() < deadline, "it never expires");
    }
    assert_eq!(
        client.patch(&path, 0, "abc").await.status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn whoever_hangs_up_after_the_last_byte_has_delivered() {
    let site = Site::start();
    let client = Client::of(&site);
    let bytes: Vec<u8> = (0..3_000_000u32)
        .map(|n| n.to_le_bytes()[0] ^ 0x5a)
        .collect();
    for _ in 0..5 {
        let path = client.create(bytes.len() as u64).await;
        let request = format!(
            "PATCH {path} HTTP/1.1\r\nContent-Type: {CHUNK}\r\nUpload-Offset: 0\r\nContent-Length: {}",
            bytes.len()
        );
        drop(client.raw(&request, &bytes));
        let id = path.trim_start_matches("/files/");
        let rejected = site.path(&format!("receiver/spool/rejected/upload~{id}.tar"));
        // It is no package, so import puts it aside: with every byte, without anybody asking.
        let arrived =
            support::harness::eventually("it is put aside", Duration::from_secs(30), || {
                rejected.exists().then(|| fs::read(&rejected).unwrap())
            });
        assert!(arrived == bytes, "{} bytes arrived", arrived.len());
    }
}
