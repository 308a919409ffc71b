-- The activity's recordings, since its version 3.0 (Moodle 4.0).
CREATE TABLE {prefix}bigbluebuttonbn_recordings (
    id {id},
    courseid bigint NOT NULL DEFAULT 0,
    bigbluebuttonbnid bigint NOT NULL DEFAULT 0,
    groupid bigint,
    recordingid varchar(64) NOT NULL DEFAULT '',
    headless {small} NOT NULL DEFAULT 0,
    imported {small} NOT NULL DEFAULT 0,
    status {small} NOT NULL DEFAULT 0,
    importeddata {text},
    timecreated bigint NOT NULL DEFAULT 0,
    usermodified bigint NOT NULL DEFAULT 0,
    timemodified bigint NOT NULL DEFAULT 0
);
CREATE INDEX {prefix}recordings_recordingid ON {prefix}bigbluebuttonbn_recordings (recordingid);
