-- What kind of thing made the last attempt of a recording fail, in one of a few words for counting.
ALTER TABLE recordings ADD COLUMN cause TEXT;
