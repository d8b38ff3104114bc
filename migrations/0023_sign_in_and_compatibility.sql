-- Browsers in which somebody signed in before: each counts its wrong passwords for itself,
-- so that others, who lock the account, do not lock its owner out. It opens nothing.
CREATE TABLE known_devices (
    -- SHA-256 of the cookie's token.
    token_hash   bytea PRIMARY KEY CONSTRAINT known_devices_token_hash_check CHECK (octet_length(token_hash) = 32),
    user_id      uuid NOT NULL CONSTRAINT known_devices_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    last_used_at timestamptz NOT NULL
);
CREATE INDEX known_devices_user_id_idx ON known_devices (user_id);
CREATE INDEX known_devices_last_used_at_idx ON known_devices (last_used_at);

-- The end of the lock that was written down already: one event for each lock.
ALTER TABLE sign_in_failures ADD COLUMN told_until timestamptz;

-- Which versions may run on this database: those that know at least this migration. A
-- migration that takes away what older ones need sets it to its own number.
CREATE TABLE schema_compatibility (
    is_only_row      boolean PRIMARY KEY DEFAULT true CONSTRAINT schema_compatibility_check CHECK (is_only_row),
    oldest_migration bigint NOT NULL
);
-- The first version that reads it.
INSERT INTO schema_compatibility (oldest_migration) VALUES (23);
