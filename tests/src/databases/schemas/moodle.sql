-- Moodle and its BigBlueButton activity. Moodle makes no foreign keys; 0 and 1 stand for no and yes.
CREATE TABLE {prefix}user (
    id {id},
    auth varchar(20) NOT NULL DEFAULT 'manual',
    deleted {small} NOT NULL DEFAULT 0,
    suspended {small} NOT NULL DEFAULT 0,
    mnethostid bigint NOT NULL DEFAULT 1,
    username varchar(100) NOT NULL DEFAULT '',
    idnumber varchar(255) NOT NULL DEFAULT '',
    firstname varchar(100) NOT NULL DEFAULT '',
    lastname varchar(100) NOT NULL DEFAULT '',
    email varchar(100) NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX {prefix}user_username ON {prefix}user (mnethostid, username);

CREATE TABLE {prefix}course (
    id {id},
    category bigint NOT NULL DEFAULT 0,
    fullname varchar(1333) NOT NULL DEFAULT '',
    shortname varchar(255) NOT NULL DEFAULT ''
);

CREATE TABLE {prefix}modules (id {id}, name varchar(20) NOT NULL DEFAULT '');

CREATE TABLE {prefix}course_modules (
    id {id},
    course bigint NOT NULL DEFAULT 0,
    module bigint NOT NULL DEFAULT 0,
    instance bigint NOT NULL DEFAULT 0,
    deletioninprogress {small} NOT NULL DEFAULT 0
);

-- Levels: 10 the site, 40 a category, 50 a course, 70 an activity. The path names all that lie above.
CREATE TABLE {prefix}context (
    id {id},
    contextlevel bigint NOT NULL DEFAULT 0,
    instanceid bigint NOT NULL DEFAULT 0,
    path varchar(255),
    depth {small} NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX {prefix}context_instance ON {prefix}context (contextlevel, instanceid);

CREATE TABLE {prefix}role (
    id {id},
    name varchar(255) NOT NULL DEFAULT '',
    shortname varchar(100) NOT NULL DEFAULT '',
    archetype varchar(30) NOT NULL DEFAULT ''
);

CREATE TABLE {prefix}role_assignments (
    id {id},
    roleid bigint NOT NULL DEFAULT 0,
    contextid bigint NOT NULL DEFAULT 0,
    userid bigint NOT NULL DEFAULT 0
);
CREATE INDEX {prefix}role_holders ON {prefix}role_assignments (contextid, roleid);

-- Settings: {prefix}config for the whole site, {prefix}config_plugins for each plugin.
CREATE TABLE {prefix}config (
    id {id},
    name varchar(255) NOT NULL DEFAULT '',
    value {text} NOT NULL
);
CREATE TABLE {prefix}config_plugins (
    id {id},
    plugin varchar(100) NOT NULL DEFAULT 'core',
    name varchar(100) NOT NULL DEFAULT '',
    value {text} NOT NULL
);

CREATE TABLE {prefix}bigbluebuttonbn (
    id {id},
    type {small} NOT NULL DEFAULT 0,
    course bigint NOT NULL DEFAULT 0,
    name varchar(1333) NOT NULL DEFAULT '',
    intro {text},
    introformat smallint NOT NULL DEFAULT 1,
    meetingid varchar(255) NOT NULL DEFAULT '',
    timecreated bigint NOT NULL DEFAULT 0,
    timemodified bigint NOT NULL DEFAULT 0,
    participants {text}
);

CREATE TABLE {prefix}bigbluebuttonbn_logs (
    id {id},
    courseid bigint NOT NULL DEFAULT 0,
    bigbluebuttonbnid bigint NOT NULL DEFAULT 0,
    userid bigint,
    timecreated bigint NOT NULL DEFAULT 0,
    meetingid varchar(256) NOT NULL DEFAULT '',
    log varchar(32) NOT NULL DEFAULT '',
    meta {text}
);
CREATE INDEX {prefix}logs_course ON {prefix}bigbluebuttonbn_logs (courseid);
