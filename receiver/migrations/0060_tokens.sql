-- A node may have several tokens, so that one can be changed while uploads run.
CREATE TABLE tokens (
    hash    TEXT PRIMARY KEY,                 -- SHA-256 of the bearer token, in hexadecimal
    node    TEXT NOT NULL,
    name    TEXT NOT NULL,                    -- by which an administrator knows it
    made_at INTEGER NOT NULL,
    used_at INTEGER,
    UNIQUE (node, name)
) STRICT;
INSERT INTO tokens (hash, node, name, made_at, used_at)
    SELECT token_hash, name, 'first', added_at, seen_at FROM nodes;

CREATE TABLE nodes_without_tokens (
    name          TEXT PRIMARY KEY,
    state         TEXT NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'cordoned', 'disabled')),
    comment       TEXT,
    added_at      INTEGER NOT NULL,
    seen_at       INTEGER,
    hook_version  TEXT,
    backlog       INTEGER,
    backlog_bytes INTEGER,
    oldest_unsent INTEGER,
    reported_at   INTEGER
) STRICT;
INSERT INTO nodes_without_tokens (name, added_at, seen_at, hook_version, backlog, backlog_bytes, oldest_unsent, reported_at)
    SELECT name, added_at, seen_at, hook_version, backlog, backlog_bytes, oldest_unsent, reported_at FROM nodes;
DROP TABLE nodes;
ALTER TABLE nodes_without_tokens RENAME TO nodes;
