-- Calls with an Idempotency-Key: written down before the call leaves, with its answer
-- afterwards, so that a repeat of it is answered and not done again. Kept for a day.
CREATE TABLE idempotent_calls (
    -- No foreign key, as in call_records.
    api_key_id uuid NOT NULL,
    -- As the client sent it.
    key        text NOT NULL CONSTRAINT idempotent_calls_key_check CHECK (octet_length(key) BETWEEN 1 AND 255),
    -- SHA-256 of the body: the same key with another one is a mistake.
    body_hash  bytea NOT NULL CONSTRAINT idempotent_calls_body_hash_check CHECK (octet_length(body_hash) = 32),
    begun_at   timestamptz NOT NULL DEFAULT now(),
    -- Which start of which instance sent it.
    instance   uuid NOT NULL,
    -- Null while it runs, and for good if nobody learnt what became of it.
    ended_at   timestamptz,
    -- Odoo's result, byte for byte; null if it was too large to be kept.
    data       bytea,
    -- Or the error, as JSON.
    error      text,
    CONSTRAINT idempotent_calls_pkey PRIMARY KEY (api_key_id, key),
    CONSTRAINT idempotent_calls_answer_check CHECK (data IS NULL OR error IS NULL)
);
CREATE INDEX idempotent_calls_begun_at_idx ON idempotent_calls (begun_at);
