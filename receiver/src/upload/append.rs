//! PATCH: bytes are added to an upload.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::task::spawn_blocking;

use super::Uploads;
use super::body::{self, Part, check_length, content_length};
use super::failure::{Failure, refuse};
use super::headers::{self, Checksum, UPLOAD_OFFSET};
use super::store::{Kind, Upload};

impl Uploads {
    /// Adds bytes at the upload's offset.
    pub(super) async fn append(
        &self,
        headers: &HeaderMap,
        body: Body,
        id: &str,
    ) -> Result<Response, Failure> {
        let upload = self.find(headers, id).await?;
        if matches!(upload.kind, Kind::Final(_)) {
            let why = "an upload made of parts takes no bytes of its own";
            return Err(refuse(StatusCode::FORBIDDEN, why));
        }
        headers::chunk_type(headers)?;
        let offset = headers::number(headers, &UPLOAD_OFFSET)?
            .ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "Upload-Offset is missing"))?;
        let length = headers::length(headers, self.0.max_size)?;
        let checksum = Checksum::of(headers)?;
        let turn = self.0.writers.of(&upload.id);
        let _turn = turn.take(false).await?;
        // It may have been completed or removed while we waited.
        let mut upload = self.find(headers, id).await?;
        let stands = self.0.store.offset(&upload)?;
        if stands != offset {
            return Err(Failure::Offset(stands));
        }
        let told_now = upload.length.is_none() && length.is_some();
        if let Some(length) = length {
            settle_length(&mut upload, length, offset)?;
        }
        let end = upload.length.unwrap_or(self.0.max_size);
        check_length(headers, end.saturating_sub(offset))?;
        let is_whole = upload.length == Some(offset);
        let offset = if is_whole {
            body::check_empty(body).await?;
            if !upload.complete {
                self.finish(&mut upload).await?;
            }
            offset
        } else {
            self.check_room(content_length(headers))?;
            self.take(&mut upload, body, checksum, offset).await?
        };
        // A request that was refused has changed nothing, its length included.
        if told_now && !upload.complete {
            let (inner, settled) = (self.0.clone(), upload.clone());
            spawn_blocking(move || inner.store.save(&settled)).await??;
        }
        let mut response = StatusCode::NO_CONTENT.into_response();
        response
            .headers_mut()
            .insert(UPLOAD_OFFSET.clone(), offset.into());
        self.add_expiry(&upload, response.headers_mut())?;
        Ok(response)
    }

    /// Writes a request's body; gives the offset reached. The caller has the turn.
    pub(super) async fn take(
        &self,
        upload: &mut Upload,
        body: Body,
        checksum: Option<Checksum>,
        offset: u64,
    ) -> Result<u64, Failure> {
        let turn = self.0.writers.of(&upload.id);
        let (sender, receiver) = body::channel();
        let (inner, of) = (self.0.clone(), upload.clone());
        let writer = spawn_blocking(move || body::write(&inner.store, &of, receiver, checksum));
        let room = upload
            .length
            .unwrap_or(self.0.max_size)
            .saturating_sub(offset);
        let (stopping, silence) = (&self.0.stopping, self.0.stall_timeout);
        let ended = body::pump(body, &sender, &turn, stopping, silence, room).await;
        // A writer that failed has hung up; it says why itself.
        let _ = sender.send(Part::End(ended)).await;
        drop(sender);
        let written = writer.await??;
        let offset = body::verdict(ended, &written)?;
        if upload.length == Some(offset) {
            self.finish(upload).await?;
        }
        Ok(offset)
    }
}

/// Takes the length of an upload that was made without; once known it stays.
fn settle_length(upload: &mut Upload, length: u64, offset: u64) -> Result<(), Failure> {
    let why = match upload.length {
        Some(known) if known == length => return Ok(()),
        Some(known) => format!("Upload-Length is {known} already and cannot change"),
        None if length < offset => {
            format!("Upload-Length is less than the {offset} bytes that are here")
        }
        None => {
            upload.length = Some(length);
            return Ok(());
        }
    };
    Err(refuse(StatusCode::BAD_REQUEST, why))
}
