//! POST: an upload is made, from nothing or from others.

use std::io;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use recording::protocol::FILES_PATH;
use tokio::task::spawn_blocking;

use super::body::{self, check_length};
use super::failure::{Failure, absent, erased, full, refuse};
use super::headers::{
    self, Checksum, Concat, UPLOAD_CONCAT, UPLOAD_DEFER_LENGTH, UPLOAD_LENGTH, UPLOAD_OFFSET,
};
use super::metadata::{self, Announced};
use super::store::{Kind, Upload};
use super::{Uploads, random_id, version};
use crate::web::auth;

impl Uploads {
    /// Makes an upload, and takes its first bytes when the request has some.
    pub(super) async fn create(
        &self,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Failure> {
        let node = auth::node(&self.0.ledger, headers).await?;
        version(headers)?;
        let announced = metadata::metadata(headers)?;
        if let Some(id) = &announced.record_id
            && self.0.ledger.is_erased(id).await?
        {
            return Err(erased());
        }
        let kind = match headers::concat(headers)? {
            // Its parts are here: it is the end of something under way.
            Some(Concat::Final(ids)) => {
                let upload = self.join(headers, node, announced, &ids).await?;
                return self.created(&upload, upload.length.unwrap_or(0));
            }
            Some(Concat::Partial) => Kind::Partial,
            None => Kind::Whole,
        };
        let node = auth::enabled_node(&self.0.ledger, headers).await?;
        let length = headers::creation_length(headers, self.0.max_size)?;
        // What says that it is a body, and comes in pieces, may still have none.
        let says_type = headers.contains_key(header::CONTENT_TYPE);
        let with_upload =
            body::is_there(headers) && (says_type || body::content_length(headers) > 0);
        let checksum = Checksum::of(headers)?;
        if with_upload {
            headers::chunk_type(headers)?;
            check_length(headers, length.unwrap_or(self.0.max_size))?;
        }
        let body = match with_upload {
            true => body,
            false => body::none_of(body).await?,
        };
        // What does not say how long it is asks again with every chunk.
        let at_least = length.unwrap_or_else(|| body::content_length(headers));
        self.check_room(at_least)?;
        let mut upload = announced_upload(node, length, announced, kind)?;
        let (inner, made) = (self.0.clone(), upload.clone());
        spawn_blocking(move || inner.store.create(&made)).await??;
        let mut offset = 0;
        if with_upload {
            offset = match self.take(&mut upload, body, checksum, 0).await {
                Ok(offset) => offset,
                // Nobody has learnt of the upload, so nobody can go on with it.
                Err(failure) => {
                    self.0.store.remove(&upload.id)?;
                    return Err(failure);
                }
            };
        } else if length == Some(0) {
            self.finish(&mut upload).await?;
        }
        self.created(&upload, offset)
    }

    /// Makes an upload out of others that are whole.
    async fn join(
        &self,
        headers: &HeaderMap,
        node: String,
        announced: Announced,
        ids: &[String],
    ) -> Result<Upload, Failure> {
        if headers.contains_key(&UPLOAD_LENGTH) || headers.contains_key(&UPLOAD_DEFER_LENGTH) {
            let why = "an upload made of parts is as long as they are: neither Upload-Length nor Upload-Defer-Length has a place in it";
            return Err(refuse(StatusCode::BAD_REQUEST, why));
        }
        if body::is_there(headers) {
            let why = "an upload made of parts takes no bytes of its own";
            return Err(refuse(StatusCode::FORBIDDEN, why));
        }
        let mut parts = Vec::new();
        let mut length = 0u64;
        for id in ids {
            let part = self.0.store.find(id)?;
            let part = part.filter(|part| part.node == node).ok_or_else(absent)?;
            if part.kind != Kind::Partial {
                let why = "Upload-Concat names an upload that was not made as a partial one";
                return Err(refuse(StatusCode::BAD_REQUEST, why));
            }
            if part.length != Some(self.0.store.offset(&part).map_err(gone)?) {
                let why = "Upload-Concat names a part that is not complete yet";
                return Err(refuse(StatusCode::BAD_REQUEST, why));
            }
            length = length.saturating_add(part.length.unwrap_or(0));
            parts.push(part);
        }
        if length > self.0.max_size {
            return Err(headers::too_large(length, self.0.max_size).into());
        }
        self.check_room(length)?;
        let raw = headers::text(headers, &UPLOAD_CONCAT)?.unwrap_or_default();
        let kind = Kind::Final(raw.to_owned());
        let mut upload = announced_upload(node, Some(length), announced, kind)?;
        let (inner, whole) = (self.0.clone(), upload.clone());
        let joined = spawn_blocking(move || inner.store.join(&parts, &whole)).await?;
        joined.map_err(gone)?;
        self.finish(&mut upload).await?;
        Ok(upload)
    }

    fn created(&self, upload: &Upload, offset: u64) -> Result<Response, Failure> {
        let location = format!("{FILES_PATH}{}", upload.id);
        let mut response = (StatusCode::CREATED, [(header::LOCATION, location)]).into_response();
        response
            .headers_mut()
            .insert(UPLOAD_OFFSET.clone(), offset.into());
        self.add_expiry(upload, response.headers_mut())?;
        Ok(response)
    }

    /// Refuses what would not leave free what is to be left free.
    pub(super) fn check_room(&self, bytes: u64) -> Result<(), Failure> {
        if self.0.store.free()? < self.0.keep_free.saturating_add(bytes) {
            return Err(full());
        }
        Ok(())
    }
}

/// A part that somebody removed meanwhile is none.
fn gone(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::NotFound => absent(),
        _ => error.into(),
    }
}

fn announced_upload(
    node: String,
    length: Option<u64>,
    announced: Announced,
    kind: Kind,
) -> Result<Upload, Failure> {
    Ok(Upload {
        id: random_id().map_err(|e| Failure::Internal(e.to_string()))?,
        node,
        length,
        metadata: announced.raw,
        record_id: announced.record_id,
        format: announced.format,
        digest: announced.digest,
        complete: false,
        kind,
        joined: false,
    })
}
