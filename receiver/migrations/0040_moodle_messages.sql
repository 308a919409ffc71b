-- Messages in Moodle's activities that say where their recordings are now. A row is written before
-- anything is changed there.
CREATE TABLE moodle_messages (
    moodle   TEXT NOT NULL,                   -- its name in the settings
    activity INTEGER NOT NULL,                -- bigbluebuttonbn.id
    state    TEXT NOT NULL CHECK (state IN ('writing', 'written', 'removing', 'removed')),
    html     TEXT NOT NULL,                   -- the message as it was written last
    since    INTEGER NOT NULL,
    PRIMARY KEY (moodle, activity)
) STRICT;

-- What stood in bigbluebuttonbn.intro before each change, append-only.
CREATE TABLE moodle_intros (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    moodle   TEXT NOT NULL,
    activity INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    intro    TEXT                             -- NULL when it was
) STRICT;
CREATE INDEX moodle_intros_by_activity ON moodle_intros (moodle, activity, id);
