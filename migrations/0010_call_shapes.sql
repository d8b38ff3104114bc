-- What each key called on each day (UTC), without the values (src/keys/policy/shape.rs):
-- what a policy is held against and learnt from. Its rows go with the call records.
CREATE TABLE call_shapes (
    -- No foreign key, as in call_records.
    api_key_id uuid NOT NULL,
    day        date NOT NULL,
    -- SHA-256 of the four below, because they are long.
    hash       bytea NOT NULL CONSTRAINT call_shapes_hash_check CHECK (octet_length(hash) = 32),
    model      text NOT NULL,
    method     text NOT NULL,
    -- Null if the arguments were not looked into.
    args       text,
    kwargs     text,
    calls      bigint NOT NULL,
    CONSTRAINT call_shapes_pkey PRIMARY KEY (api_key_id, day, hash)
);
CREATE INDEX call_shapes_day_idx ON call_shapes (day);
