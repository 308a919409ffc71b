-- Greenlight 2: numeric ids, rows that are deleted stay with a mark.
CREATE TABLE users (
    id {id},
    room_id integer,
    provider varchar(255),
    uid varchar(255),
    name varchar(255),
    username varchar(255),
    email varchar(255),
    social_uid varchar(255),
    deleted {flag} NOT NULL DEFAULT {no},
    created_at {datetime} NOT NULL DEFAULT '2020-01-01 00:00:00',
    updated_at {datetime} NOT NULL DEFAULT '2020-01-01 00:00:00'
);
CREATE TABLE rooms (
    id {id},
    user_id integer,
    name varchar(255),
    uid varchar(255),
    bbb_id varchar(255),
    deleted {flag} NOT NULL DEFAULT {no},
    created_at {datetime} NOT NULL DEFAULT '2020-01-01 00:00:00',
    updated_at {datetime} NOT NULL DEFAULT '2020-01-01 00:00:00'
);
CREATE TABLE shared_accesses (
    id {id},
    room_id integer,
    user_id integer,
    created_at {datetime} NOT NULL DEFAULT '2020-01-01 00:00:00',
    updated_at {datetime} NOT NULL DEFAULT '2020-01-01 00:00:00'
);
