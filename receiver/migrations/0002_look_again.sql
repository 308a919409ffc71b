-- When Pod is to be asked once more what has become of something registered there; NULL when it is
-- done with it.
ALTER TABLE registrations ADD COLUMN look_again INTEGER;
CREATE INDEX registrations_to_look_at ON registrations (look_again) WHERE look_again IS NOT NULL;
