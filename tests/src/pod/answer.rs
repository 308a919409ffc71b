//! An answer before it is put on the wire, and the pages that stand for Pod's HTML.

use serde_json::{Value, json};

use super::world::Crash;

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16, media: &str, body: impl Into<Vec<u8>>) -> Answer {
        Answer {
            status,
            headers: vec![("Content-Type", media.to_owned())],
            body: body.into(),
        }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Answer {
        Answer::new(status, "application/json", body.to_string())
    }

    pub(crate) fn detail(status: u16, text: impl Into<String>) -> Answer {
        Answer::json(status, &json!({"detail": text.into()}))
    }

    pub(crate) fn html(status: u16, title: &str, body: &str) -> Answer {
        let page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{title}</title></head>\n<body>\n{body}\n</body>\n</html>\n"
        );
        Answer::new(status, "text/html; charset=utf-8", page)
    }

    pub(crate) fn empty(status: u16) -> Answer {
        Answer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub(crate) fn redirect(status: u16, to: &str) -> Answer {
        Answer::new(status, "text/html; charset=utf-8", "").with("Location", to)
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// A page of the site itself, which sets a CSRF cookie.
    pub(crate) fn page(title: &str, body: &str) -> Answer {
        Answer::html(200, title, body)
            .with("Vary", "Cookie, Accept-Language")
            .with("Set-Cookie", "csrftoken=standin; Path=/; SameSite=Lax")
    }

    /// The 500 that an exception becomes: named when DEBUG is on, mute in production.
    pub(crate) fn crash(crash: Crash, path: &str, debug: bool) -> Answer {
        let title = if debug {
            format!("{} at {path}", crash.0)
        } else {
            "Error 500".to_owned()
        };
        Answer::html(500, &title, "<h1>Server error</h1>").with("Vary", "Accept-Language")
    }

    pub(crate) fn no_route(path: &str, debug: bool) -> Answer {
        if debug {
            return Answer::html(
                404,
                &format!("Page not found at {path}"),
                "<h1>Page not found</h1>",
            )
            .with("Vary", "Accept-Language");
        }
        let mut page = Answer::page("Error 404", "<h1>Page not found</h1>");
        page.status = 404;
        page
    }
}
