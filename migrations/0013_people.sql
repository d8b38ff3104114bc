-- What each person may do, how they prove who they are, and where they are signed in.

ALTER TABLE users
    -- Those from before there were roles could do everything. A version from before,
    -- which runs beside this one for a moment, names none.
    ADD COLUMN role text NOT NULL DEFAULT 'admin'
        CONSTRAINT users_role_check CHECK (role IN ('admin', 'operator', 'viewer')),
    -- The secret of the second factor, sealed with the bridge's own key.
    ADD COLUMN totp_secret bytea,
    -- From when on a code is asked for; null while it is not set up yet.
    ADD COLUMN totp_since timestamptz,
    -- The last time step of which a code was taken: none is taken twice.
    ADD COLUMN totp_last_step bigint,
    ADD CONSTRAINT users_totp_check CHECK (totp_since IS NULL OR totp_secret IS NOT NULL);

-- For whoever has lost the second factor. Each works once.
CREATE TABLE recovery_codes (
    user_id   uuid NOT NULL CONSTRAINT recovery_codes_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    -- SHA-256 of 80 random bits.
    code_hash bytea NOT NULL CONSTRAINT recovery_codes_code_hash_check CHECK (octet_length(code_hash) = 32),
    CONSTRAINT recovery_codes_pkey PRIMARY KEY (user_id, code_hash)
);

ALTER TABLE sessions
    -- For the list of sessions; opens nothing.
    ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT sessions_id_key UNIQUE,
    -- Where it was opened, and with what.
    ADD COLUMN address inet,
    ADD COLUMN user_agent text CONSTRAINT sessions_user_agent_check CHECK (char_length(user_agent) <= 300),
    -- When the password was last given; null in sessions from before.
    ADD COLUMN confirmed_at timestamptz;

-- Whoever gave the right password and still owes the code. Not a session: a version
-- from before would take it for one.
CREATE TABLE pending_sign_ins (
    -- SHA-256 of the cookie's token.
    token_hash bytea PRIMARY KEY CONSTRAINT pending_sign_ins_token_hash_check CHECK (octet_length(token_hash) = 32),
    user_id    uuid NOT NULL CONSTRAINT pending_sign_ins_user_id_fkey REFERENCES users (id) ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX pending_sign_ins_user_id_idx ON pending_sign_ins (user_id);
CREATE INDEX pending_sign_ins_expires_at_idx ON pending_sign_ins (expires_at);

-- Who may make an account for themselves, once, through a link.
CREATE TABLE invitations (
    id         uuid PRIMARY KEY,
    -- SHA-256 of the link's token.
    token_hash bytea NOT NULL CONSTRAINT invitations_token_hash_check CHECK (octet_length(token_hash) = 32),
    email      text NOT NULL CONSTRAINT invitations_email_lower_check CHECK (email = lower(email)),
    role       text NOT NULL CONSTRAINT invitations_role_check CHECK (role IN ('admin', 'operator', 'viewer')),
    invited_by uuid CONSTRAINT invitations_invited_by_fkey REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT invitations_token_hash_key UNIQUE (token_hash),
    -- A new one takes the place of the one before.
    CONSTRAINT invitations_email_key UNIQUE (email)
);
CREATE INDEX invitations_invited_by_idx ON invitations (invited_by);
