-- How each node is, as it last told.
ALTER TABLE nodes ADD COLUMN hook_version TEXT;
ALTER TABLE nodes ADD COLUMN backlog INTEGER;
ALTER TABLE nodes ADD COLUMN backlog_bytes INTEGER;
ALTER TABLE nodes ADD COLUMN oldest_unsent INTEGER;
ALTER TABLE nodes ADD COLUMN reported_at INTEGER;

-- One-time codes by which a node gets its token.
CREATE TABLE enrolments (
    code_hash  TEXT PRIMARY KEY,              -- SHA-256 of the code, in hexadecimal
    node       TEXT NOT NULL,
    made_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- What became of a recording on its node, as the node last told.
CREATE TABLE node_states (
    record_id   TEXT NOT NULL,
    format      TEXT NOT NULL,
    node        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('published', 'unpublished', 'deleted')),
    since       INTEGER NOT NULL,
    reported_at INTEGER NOT NULL,
    PRIMARY KEY (record_id, format, node)
) STRICT;

CREATE INDEX packages_by_node ON packages (node, record_id, format);
