-- Keys on a person's devices, by which they sign in instead of with a password and a code.
CREATE TABLE passkeys (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL CONSTRAINT passkeys_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    -- How the device knows it.
    credential_id bytea NOT NULL CONSTRAINT passkeys_credential_id_key UNIQUE
                  CONSTRAINT passkeys_credential_id_check CHECK (octet_length(credential_id) <= 1023),
    -- The name of this bridge for which it was made; it works under no other.
    rp_id         text NOT NULL,
    -- The public key and its counter, as webauthn-rs writes them. No secret.
    credential    jsonb NOT NULL,
    name          text NOT NULL CONSTRAINT passkeys_name_check CHECK (char_length(name) BETWEEN 1 AND 60),
    created_at    timestamptz NOT NULL,
    last_used_at  timestamptz
);
CREATE INDEX passkeys_user_id_idx ON passkeys (user_id);

-- Challenges that were answered: none is taken twice. Those that nobody answered are kept nowhere.
CREATE TABLE answered_challenges (
    -- SHA-256 of the sealed challenge.
    challenge_hash bytea PRIMARY KEY CONSTRAINT answered_challenges_hash_check CHECK (octet_length(challenge_hash) = 32),
    expires_at     timestamptz NOT NULL
);
CREATE INDEX answered_challenges_expires_at_idx ON answered_challenges (expires_at);
