-- The people who may use the dashboard, and where they are signed in.
CREATE TABLE users (
    id            uuid PRIMARY KEY,
    -- Stored in lower case, so that one person has one account.
    email         text NOT NULL CONSTRAINT users_email_lower_check CHECK (email = lower(email)),
    -- A PHC string (argon2id), never the password.
    password_hash text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    password_changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_email_key UNIQUE (email)
);

CREATE TABLE sessions (
    -- SHA-256 of the cookie's token: a copy of this table signs nobody in.
    token_hash   bytea PRIMARY KEY CONSTRAINT sessions_token_hash_check CHECK (octet_length(token_hash) = 32),
    user_id      uuid NOT NULL CONSTRAINT sessions_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    -- The absolute end; the idle end is counted from last_seen_at.
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_user_id_idx ON sessions (user_id);
CREATE INDEX sessions_expires_at_idx ON sessions (expires_at);

-- Wrong passwords, counted per account and per address. A row exists for names
-- without an account as well, so that locking does not tell which accounts exist.
CREATE TABLE sign_in_failures (
    -- 'account:<SHA-256 of the email, hex>' or 'address:<IP>'.
    subject        text PRIMARY KEY,
    failures       integer NOT NULL,
    last_failed_at timestamptz NOT NULL DEFAULT now(),
    locked_until   timestamptz
);
CREATE INDEX sign_in_failures_last_failed_at_idx ON sign_in_failures (last_failed_at);
