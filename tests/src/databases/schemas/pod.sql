-- Pod 4.1 as Django lays it out: no column has a default in the database, every NOT NULL one must be
-- given. Booleans are tinyint(1) and times naive UTC on MariaDB.
CREATE TABLE django_site (
    id {int_id},
    domain varchar(100) NOT NULL UNIQUE,
    name varchar(50) NOT NULL
);
INSERT INTO django_site (domain, name) VALUES ('pod.example.org', 'pod.example.org');

CREATE TABLE auth_user (
    id {int_id},
    password varchar(128) NOT NULL,
    last_login {moment} NULL,
    is_superuser {flag} NOT NULL,
    username varchar(150) NOT NULL UNIQUE,
    first_name varchar(150) NOT NULL,
    last_name varchar(150) NOT NULL,
    email varchar(254) NOT NULL,
    is_staff {flag} NOT NULL,
    is_active {flag} NOT NULL,
    date_joined {moment} NOT NULL
);

CREATE TABLE authentication_owner (
    id {id},
    auth_type varchar(20) NOT NULL,
    affiliation varchar(50) NOT NULL,
    commentaire {text} NOT NULL,
    hashkey varchar(64) NOT NULL UNIQUE,
    establishment varchar(10) NOT NULL,
    accepts_notifications {flag} NULL,
    user_id integer NOT NULL UNIQUE REFERENCES auth_user (id),
    userpicture_id bigint NULL
);

CREATE TABLE authentication_owner_sites (
    id {int_id},
    owner_id bigint NOT NULL REFERENCES authentication_owner (id),
    site_id integer NOT NULL REFERENCES django_site (id),
    UNIQUE (owner_id, site_id)
);

CREATE TABLE podfile_userfolder (
    id {id},
    name varchar(255) NOT NULL,
    created_at {moment} NOT NULL,
    owner_id integer NOT NULL REFERENCES auth_user (id),
    UNIQUE (name, owner_id)
);

CREATE TABLE import_video_externalrecording (
    id {id},
    name varchar(250) NOT NULL,
    start_at {moment} NOT NULL,
    type varchar(50) NOT NULL,
    source_url varchar(500) NOT NULL,
    state varchar(250) NULL,
    owner_id integer NULL REFERENCES auth_user (id),
    site_id integer NOT NULL REFERENCES django_site (id),
    uploaded_to_pod_by_id integer NULL REFERENCES auth_user (id)
);

CREATE TABLE meeting (
    id {id},
    name varchar(250) NOT NULL,
    meeting_id varchar(255) NOT NULL,
    start_at {moment} NOT NULL,
    expected_duration {span} NOT NULL,
    is_restricted {flag} NOT NULL,
    is_running {flag} NOT NULL,
    record {flag} NOT NULL,
    parent_meeting_id varchar(100) NULL,
    internal_meeting_id varchar(100) NULL,
    is_personal {flag} NOT NULL,
    created_at {moment} NOT NULL,
    updated_at {moment} NOT NULL,
    is_webinar {flag} NOT NULL,
    owner_id integer NOT NULL REFERENCES auth_user (id),
    site_id integer NOT NULL REFERENCES django_site (id),
    UNIQUE (meeting_id, site_id)
);

CREATE TABLE meeting_additional_owners (
    id {int_id},
    meeting_id bigint NOT NULL REFERENCES meeting (id),
    user_id integer NOT NULL REFERENCES auth_user (id),
    UNIQUE (meeting_id, user_id)
);

CREATE TABLE meeting_meetingsessionlog (
    id {id},
    creation_date {moment} NOT NULL,
    moderators {text} NOT NULL,
    viewers {text} NOT NULL,
    creator_id integer NOT NULL REFERENCES auth_user (id),
    meeting_id bigint NOT NULL REFERENCES meeting (id)
);

CREATE TABLE recorder_recorder (
    id {id},
    name varchar(200) NOT NULL UNIQUE,
    description {text} NOT NULL,
    address_ip varchar(39) NOT NULL UNIQUE,
    salt varchar(50) NOT NULL,
    recording_type varchar(50) NOT NULL,
    directory varchar(50) NOT NULL UNIQUE,
    user_id integer NULL REFERENCES auth_user (id)
);

CREATE TABLE recorder_recordingfiletreatment (
    id {id},
    file varchar(200) NOT NULL UNIQUE,
    file_size bigint NOT NULL,
    date_added {moment} NOT NULL,
    require_manual_claim {flag} NOT NULL,
    email_sent {flag} NOT NULL,
    date_email_sent {moment} NULL,
    type varchar(50) NOT NULL,
    recorder_id bigint NULL REFERENCES recorder_recorder (id)
);
