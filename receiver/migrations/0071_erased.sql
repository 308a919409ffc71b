-- Recordings that were erased: the SHA-256 of their ids, so that they are not taken in again by
-- themselves. Whoever does not know an id learns nothing from this.
CREATE TABLE erased (
    id_hash   TEXT PRIMARY KEY,
    erased_at INTEGER NOT NULL
) STRICT;
