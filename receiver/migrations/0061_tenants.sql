-- Those for whom recordings are kept, each with a Pod of its own. Without any there is one only,
-- which has no name.
CREATE TABLE tenants (
    name     TEXT PRIMARY KEY,
    comment  TEXT,
    added_at INTEGER NOT NULL
) STRICT;

-- By which a tenant may look at its own recordings.
CREATE TABLE tenant_secrets (
    hash    TEXT PRIMARY KEY,                 -- SHA-256 of the secret, in hexadecimal
    tenant  TEXT NOT NULL REFERENCES tenants (name) ON DELETE CASCADE,
    name    TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    used_at INTEGER,
    UNIQUE (tenant, name)
) STRICT;

-- Whose the recordings of a front-end (bbb-origin-server-name) are.
CREATE TABLE tenant_servers (
    server TEXT PRIMARY KEY,                  -- in lower case
    tenant TEXT NOT NULL REFERENCES tenants (name) ON DELETE CASCADE
) STRICT;

-- What is different for a tenant from the settings file.
CREATE TABLE tenant_settings (
    tenant   TEXT NOT NULL REFERENCES tenants (name) ON DELETE CASCADE,
    param    TEXT NOT NULL,                   -- path of the key, like destination.type
    value    TEXT NOT NULL,                   -- JSON
    override INTEGER NOT NULL,                -- 1: counts more than what a meeting says
    set_at   INTEGER NOT NULL,
    PRIMARY KEY (tenant, param)
) STRICT;

ALTER TABLE nodes ADD COLUMN tenant TEXT;
-- No reference: a recording whose tenant is not there (yet) waits for it.
ALTER TABLE recordings ADD COLUMN tenant TEXT;
CREATE INDEX recordings_of_tenant ON recordings (tenant, record_id);
