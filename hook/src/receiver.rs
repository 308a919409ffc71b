//! The receiver, asked by commands that do nothing else meanwhile.

use std::future::Future;

use crate::error::Error;
use crate::settings::Settings;
use crate::transport::http::Http;

/// A receiver and what is needed to wait for its answers.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) http: Http,
    runtime: tokio::runtime::Runtime,
}

impl Receiver {
    /// # Errors
    /// Something in the section `http` is missing or wrong.
    pub(crate) fn open(settings: &Settings) -> Result<Receiver, Error> {
        Receiver::of(Http::open(settings)?)
    }

    /// # Errors
    /// The system gives no resources.
    pub(crate) fn of(http: Http) -> Result<Receiver, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Error::Disk(format!("cannot start: {e}")))?;
        Ok(Receiver { http, runtime })
    }

    /// Waits for an answer.
    pub(crate) fn wait<F: Future>(&self, answer: F) -> F::Output {
        self.runtime.block_on(answer)
    }
}
