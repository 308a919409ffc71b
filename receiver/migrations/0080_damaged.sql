-- What was found wrong with the archive's copy of a format, and when; NULL while it is whole as far
-- as anybody knows.
ALTER TABLE formats ADD COLUMN damaged TEXT;
ALTER TABLE formats ADD COLUMN damaged_at INTEGER;
CREATE INDEX formats_damaged ON formats (record_id, format) WHERE damaged IS NOT NULL;
