-- Greenlight 3: uuids, rows that are deleted are gone.
CREATE TABLE users (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name varchar NOT NULL,
    email varchar NOT NULL,
    external_id varchar,
    provider varchar NOT NULL DEFAULT 'greenlight',
    status integer DEFAULT 0,
    created_at timestamp(6) NOT NULL DEFAULT '2020-01-01',
    updated_at timestamp(6) NOT NULL DEFAULT '2020-01-01'
);
CREATE UNIQUE INDEX users_email ON users (email, provider);
CREATE TABLE rooms (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid REFERENCES users (id),
    name varchar NOT NULL DEFAULT '',
    friendly_id varchar NOT NULL,
    meeting_id varchar NOT NULL UNIQUE,
    created_at timestamp(6) NOT NULL DEFAULT '2020-01-01',
    updated_at timestamp(6) NOT NULL DEFAULT '2020-01-01'
);
CREATE TABLE shared_accesses (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL REFERENCES users (id),
    room_id uuid NOT NULL REFERENCES rooms (id),
    created_at timestamp(6) NOT NULL DEFAULT '2020-01-01',
    updated_at timestamp(6) NOT NULL DEFAULT '2020-01-01'
);
