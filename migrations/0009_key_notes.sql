-- What people want to remember of a key: whose program, where it runs, whom to ask.
ALTER TABLE api_keys
    ADD COLUMN note text NOT NULL DEFAULT '' CONSTRAINT api_keys_note_check CHECK (char_length(note) <= 1000);
