-- Whose a recording is, once that is decided, and why.
CREATE TABLE owners (
    record_id  TEXT PRIMARY KEY REFERENCES recordings (record_id) ON DELETE CASCADE,
    owner      TEXT NOT NULL,                 -- username in Pod
    additional TEXT NOT NULL,                 -- JSON list of usernames
    to_create  TEXT NOT NULL,                 -- JSON list of accounts that have to be made in Pod first
    found_by   TEXT NOT NULL,                 -- the finder, 'otherwise', or 'assigned' by an administrator
    reasons    TEXT NOT NULL,                 -- JSON list: every step of the search
    decided_at INTEGER NOT NULL
) STRICT;

-- Why nobody could be found, while the recording waits for somebody to decide.
ALTER TABLE recordings ADD COLUMN review TEXT;
CREATE INDEX recordings_to_review ON recordings (record_id) WHERE review IS NOT NULL;
