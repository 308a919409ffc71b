//! Answers other than success.

use std::io;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use recording::protocol::Refusal;

use super::headers::{Refused, UPLOAD_OFFSET};
use crate::ledger::LedgerError;
use crate::web::auth::AuthError;

/// An answer other than success.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request is to blame, or the time.
    Refused(Refused),
    /// The upload stands at another offset: this one.
    Offset(u64),
    /// Nobody is known to be asking.
    Auth(AuthError),
    /// The receiver is to blame.
    Internal(String),
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        Failure::Refused(refused)
    }
}

impl From<AuthError> for Failure {
    fn from(error: AuthError) -> Failure {
        Failure::Auth(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => full(),
            _ => Failure::Internal(error.to_string()),
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Failure {
        Failure::Internal(error.to_string())
    }
}

impl From<tokio::task::JoinError> for Failure {
    fn from(error: tokio::task::JoinError) -> Failure {
        Failure::Internal(error.to_string())
    }
}

pub(super) fn refuse(status: StatusCode, why: impl Into<String>) -> Failure {
    Failure::Refused((status, why.into()))
}

/// The recording was erased here.
pub(super) fn erased() -> Failure {
    refuse(
        StatusCode::GONE,
        "this recording was erased at the receiver, which takes it again only after: bbb2pod-receiver recording admit ID",
    )
}

/// There is no room now.
pub(super) fn full() -> Failure {
    metrics::counter!("bbb2pod_uploads_without_room_total").increment(1);
    refuse(
        StatusCode::INSUFFICIENT_STORAGE,
        "the receiver's spool has no room for it now (upload.keep_free); ask for the offset and go on later",
    )
}

/// There is nothing by that name, or not for whoever asks.
pub(super) fn absent() -> Failure {
    refuse(
        StatusCode::NOT_FOUND,
        "there is no such upload, or it has expired",
    )
}

impl Failure {
    /// What is to be told to a log.
    pub(super) fn cause(self) -> String {
        match self {
            Failure::Internal(cause) => cause,
            Failure::Refused((_, why)) => why,
            Failure::Offset(offset) => format!("the offset is {offset}"),
            Failure::Auth(_) => "not authorised".to_owned(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Failure::Refused(refused) => refused,
            Failure::Auth(error) => return error.into_response(),
            Failure::Internal(cause) => {
                tracing::error!(%cause, "an upload request failed");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the receiver failed; its log says why".to_owned(),
                )
            }
            Failure::Offset(offset) => {
                let error = format!("Upload-Offset is not {offset}, where this upload stands");
                let mut response = (StatusCode::CONFLICT, Json(Refusal { error })).into_response();
                response
                    .headers_mut()
                    .insert(UPLOAD_OFFSET.clone(), offset.into());
                return response;
            }
        };
        (status, Json(Refusal { error })).into_response()
    }
}
