-- What is wrong with something in Pod and waits for somebody to look; NULL when nothing is.
ALTER TABLE registrations ADD COLUMN trouble TEXT;
CREATE INDEX registrations_in_trouble ON registrations (record_id) WHERE trouble IS NOT NULL;
