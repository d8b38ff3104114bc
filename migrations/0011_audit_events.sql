-- Every change that a person made: who, when, from where, what it was before and after.
-- Written in the transaction of the change itself; never changed, never removed. No
-- secrets: a key's plaintext and hash are not in it.
CREATE TABLE audit_events (
    id           bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_events_pkey PRIMARY KEY,
    happened_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Who; null on the command line. No foreign key: it outlives the account.
    user_id      uuid,
    user_email   text,
    -- From where; null on the command line.
    address      inet,
    -- What was done, such as key_revoked (src/audit/log.rs).
    action       text NOT NULL,
    -- To what: a key, a shared policy. No foreign key: it outlives them.
    subject_id   uuid NOT NULL,
    subject_name text NOT NULL,
    -- What it was and what it became, where that can be said in a text.
    before       text,
    after        text
);
CREATE INDEX audit_events_subject_id_idx ON audit_events (subject_id, id DESC);
