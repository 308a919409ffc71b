//! What somebody gets who asks for a video that is being made: a page that looks again by itself
//! for people, a line for programs; for both 503 and when to come again.

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::super::refusal;

/// Seconds until the next look while the making has not begun, and while it goes on.
const QUEUED: u32 = 60;
const RUNNING: u32 = 20;

/// The answer; `progress` is how much of the recording has been converted, and how long it is.
pub(super) fn answer(headers: &HeaderMap, progress: Option<(u64, u64)>) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let percent = progress
        .filter(|(_, all)| *all > 0)
        .map(|(done, all)| (done.min(all)) * 100 / all);
    let again = if percent.is_some() { RUNNING } else { QUEUED };
    let is_person = text(header::ACCEPT).is_some_and(|kinds| kinds.contains("text/html"));
    let mut answer = if is_person {
        let french = text(header::ACCEPT_LANGUAGE).is_some_and(prefers_french);
        (
            StatusCode::SERVICE_UNAVAILABLE,
            Html(page(french, percent, again)),
        )
            .into_response()
    } else {
        refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            "the video is being made since it was asked for; come again",
        )
    };
    let more = answer.headers_mut();
    more.insert(header::RETRY_AFTER, again.into());
    more.insert(
        header::CACHE_CONTROL,
        axum::http::HeaderValue::from_static("no-store"),
    );
    answer
}

/// Whether French stands before English.
fn prefers_french(languages: &str) -> bool {
    let languages = languages.to_ascii_lowercase();
    match (languages.find("fr"), languages.find("en")) {
        (Some(french), Some(english)) => french < english,
        (french, _) => french.is_some(),
    }
}

fn page(french: bool, percent: Option<u64>, again: u32) -> String {
    let (language, title, text, so_far) = if french {
        (
            "fr",
            "La vidéo est en préparation",
            "Cet enregistrement est converti en vidéo depuis que quelqu’un l’a demandé. Cette page \
             se recharge d’elle-même ; la vidéo s’ouvrira dès qu’elle est prête.",
            "Fait",
        )
    } else {
        (
            "en",
            "The video is being made",
            "This recording is being converted since somebody asked for it. This page looks again \
             by itself, and shows the video as soon as it is there.",
            "Done so far",
        )
    };
    let progress = percent.map_or(String::new(), |percent| {
        format!("<p>{so_far}: {percent} %</p><progress max=\"100\" value=\"{percent}\"></progress>")
    });
    format!(
        "<!doctype html><html lang=\"{language}\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"refresh\" content=\"{again}\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title></head>\
         <body style=\"font-family: sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em\">\
         <h1>{title}</h1><p>{text}</p>{progress}</body></html>\n"
    )
}
