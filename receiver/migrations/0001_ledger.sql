-- The ledger: what happened to every recording. All times are milliseconds since 1970 (UTC).

CREATE TABLE nodes (
    name       TEXT PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,          -- SHA-256 of the bearer token, in hexadecimal
    added_at   INTEGER NOT NULL,
    seen_at    INTEGER
) STRICT;

-- A complete package that came in, one row per arrival.
CREATE TABLE packages (
    id        TEXT PRIMARY KEY,               -- the upload's id, or the file's name for a dropped one
    file      TEXT NOT NULL,                  -- name in the spool
    node      TEXT,                           -- who sent it; NULL for a dropped file
    record_id TEXT,
    format    TEXT,
    digest    TEXT,                           -- content digest, as announced, then as found
    bytes     INTEGER NOT NULL,
    status    TEXT NOT NULL CHECK (status IN ('spooled', 'archived', 'rejected', 'superseded')),
    reason    TEXT,
    since     INTEGER NOT NULL,
    attempts  INTEGER NOT NULL DEFAULT 0,
    next_try  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX packages_by_recording ON packages (record_id, since);
CREATE INDEX packages_waiting ON packages (next_try) WHERE status = 'spooled';

CREATE TABLE recordings (
    record_id     TEXT PRIMARY KEY,
    node          TEXT,
    title         TEXT,
    started_at    INTEGER,
    stage         TEXT NOT NULL CHECK (stage IN ('media', 'convert', 'register', 'done')),
    failed        INTEGER NOT NULL DEFAULT 0, -- 1: waits for a human
    error         TEXT,                       -- of the last attempt, while it has not succeeded
    attempts      INTEGER NOT NULL DEFAULT 0,
    next_try      INTEGER NOT NULL DEFAULT 0,
    progress_done INTEGER,                    -- of a running conversion, in recorded milliseconds
    progress_all  INTEGER,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX recordings_due ON recordings (next_try) WHERE stage <> 'done' AND failed = 0;

-- What the archive holds of a recording, one row per playback format.
CREATE TABLE formats (
    record_id    TEXT NOT NULL REFERENCES recordings (record_id) ON DELETE CASCADE,
    format       TEXT NOT NULL,
    digest       TEXT NOT NULL,
    bytes        INTEGER NOT NULL,
    published_at INTEGER NOT NULL,
    archived_at  INTEGER NOT NULL,
    PRIMARY KEY (record_id, format)
) STRICT;

CREATE TABLE media (
    record_id     TEXT PRIMARY KEY REFERENCES recordings (record_id) ON DELETE CASCADE,
    source_format TEXT NOT NULL,              -- the format it is made from
    source_digest TEXT NOT NULL,
    sha256        TEXT,                       -- of the MP4; NULL until it is made
    bytes         INTEGER,
    duration_ms   INTEGER,
    warnings      TEXT,                       -- JSON list of texts: what was left out
    made_at       INTEGER
) STRICT;

-- What exists in Pod. A row is written before anything is made there.
CREATE TABLE registrations (
    record_id     TEXT NOT NULL REFERENCES recordings (record_id) ON DELETE CASCADE,
    destination   TEXT NOT NULL,
    progress      TEXT,                       -- JSON: how far it came, in the destination's own words
    kind          TEXT,                       -- NULL until it is done
    reference     TEXT,
    url           TEXT,
    media_digest  TEXT,
    registered_at INTEGER,
    PRIMARY KEY (record_id, destination)
) STRICT;

-- The story of each recording, append-only.
CREATE TABLE events (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    record_id TEXT NOT NULL,
    at        INTEGER NOT NULL,
    stage     TEXT NOT NULL,
    level     TEXT NOT NULL CHECK (level IN ('info', 'warning', 'error')),
    text      TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_recording ON events (record_id, id);
