use std::path::Path;

use super::*;
use crate::pod::DestinationConfig;

const BASE: &str = "destination: {kind: upload, url: 'https://pod.univ.example', token_file: /etc/token, type: Cours, default_owner: admin}\n";

fn base() -> Config {
    Config::from_text(Path::new("receiver.yml"), BASE).unwrap()
}

fn setting(param: &str, text: &str) -> Setting {
    Setting {
        param: param.to_owned(),
        value: value(text),
        over_meeting: false,
    }
}

#[test]
fn settings_are_laid_over_the_file() {
    let DestinationConfig::Upload(upload) = with(
        &base(),
        &[
            setting("destination.additional_owners", "[anne, bob]"),
            setting("destination.attach.slides", "false"),
            setting("destination.type", "TD: analyse"),
            setting("destination.url", "https://pod.science.example"),
        ],
    )
    .unwrap()
    .destination
    else {
        panic!("another kind")
    };
    assert_eq!(upload.url, "https://pod.science.example");
    assert_eq!(upload.additional_owners, ["anne", "bob"]);
    assert_eq!(upload.default_owner, "admin");

    // A section as a whole, and a key of it.
    let config = with(
        &base(),
        &[
            setting("convert.height", "480"),
            setting(
                "destination",
                "{kind: directory, directory: /srv/pod/ftp/science}",
            ),
            setting("destination.timezone", "Europe/Paris"),
        ],
    )
    .unwrap();
    assert!(matches!(
        config.destination,
        DestinationConfig::Directory(_)
    ));
    assert_eq!(config.spool_dir, base().spool_dir);
}

#[test]
fn what_is_wrong_is_named() {
    for (param, text, said) in [
        ("destination.url", "ftp://pod", "destination.url: "),
        (
            "destination.tipe",
            "Cours",
            "destination: tipe: unknown field",
        ),
        (
            "destination.write_timeout",
            "soon",
            "destination: write_timeout: \"soon\"",
        ),
        ("destination", "{kind: pigeon}", "pigeon"),
        ("convert.height", "many", "convert.height"),
        ("convert.height", "13", "convert.height"),
        ("owners.chain", "[oracle]", "owners.chain"),
    ] {
        let error = with(&base(), &[setting(param, text)]).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(said), "{param} {text}: {error}");
    }
    for (param, said) in [
        ("listen", "cannot be different"),
        ("spool_dir", "cannot be different"),
        ("convert.workers", "about this machine"),
        ("destination..type", "cannot be different"),
        ("", "cannot be different"),
        ("database", "cannot be different"),
    ] {
        assert!(check_param(param).unwrap_err().contains(said), "{param}");
    }
    assert!(check_param("owners.moodle.default_database").is_ok());
}
