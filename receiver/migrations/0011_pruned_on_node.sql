-- A node may have deleted a recording because everything of it is here.
CREATE TABLE node_states_now (
    record_id   TEXT NOT NULL,
    format      TEXT NOT NULL,
    node        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('published', 'unpublished', 'deleted', 'pruned')),
    since       INTEGER NOT NULL,
    reported_at INTEGER NOT NULL,
    PRIMARY KEY (record_id, format, node)
) STRICT;
INSERT INTO node_states_now SELECT record_id, format, node, state, since, reported_at FROM node_states;
DROP TABLE node_states;
ALTER TABLE node_states_now RENAME TO node_states;
