//! The plainest HTTP server that takes a file: what `benches/transfer.sh` holds the hook against.
//!
//! `sink FILE` listens at a free port, prints it, and writes the body of every PUT into FILE. A
//! PUT below `/kept/` is answered when the body is on the disk, as the receiver does it.

use std::io::Write as _;
use std::path::PathBuf;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::put;
use futures::StreamExt as _;
use tokio::io::AsyncWriteExt as _;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let file = std::env::args_os().nth(1).map(PathBuf::from);
    let file = file.ok_or_else(|| std::io::Error::other("usage: sink FILE"))?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let mut out = std::io::stdout();
    writeln!(out, "{}", listener.local_addr()?.port())?;
    out.flush()?;
    axum::serve(
        listener,
        Router::new().route("/{*name}", put(take)).with_state(file),
    )
    .await
}

async fn take(State(path): State<PathBuf>, Path(name): Path<String>, body: Body) -> StatusCode {
    match write(path, body, name.starts_with("kept/")).await {
        Ok(()) => StatusCode::CREATED,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn write(path: PathBuf, body: Body, keep: bool) -> std::io::Result<()> {
    let mut file = tokio::fs::File::create(path).await?;
    let mut pieces = body.into_data_stream();
    while let Some(piece) = pieces.next().await {
        file.write_all(&piece.map_err(std::io::Error::other)?)
            .await?;
    }
    file.flush().await?;
    if keep {
        file.sync_data().await?;
    }
    Ok(())
}
