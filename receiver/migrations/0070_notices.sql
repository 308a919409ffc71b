-- What people have been told already by each channel of `notify`, while it still stands: the SHA-256
-- of what it is about, so that nothing about a recording or a person is kept here.
CREATE TABLE notices (
    channel TEXT NOT NULL,                    -- mail or webhook
    item    TEXT NOT NULL,
    told_at INTEGER NOT NULL,
    PRIMARY KEY (channel, item)
) STRICT;

-- How each channel of `notify` is.
CREATE TABLE notice_channels (
    channel       TEXT PRIMARY KEY,
    message_id    TEXT,                       -- of a message that may have been sent, until that is sure
    sent_at       INTEGER,                    -- when the last one was taken
    failing_since INTEGER,
    attempts      INTEGER NOT NULL DEFAULT 0, -- failed ones since the last success
    next_try      INTEGER NOT NULL DEFAULT 0,
    error         TEXT                        -- of the last attempt, while it has not succeeded
) STRICT;
