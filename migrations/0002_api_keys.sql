-- API keys. The key itself is not here: only its public id and its hash.
CREATE TABLE api_keys (
    id           uuid PRIMARY KEY,
    name         text NOT NULL CONSTRAINT api_keys_name_check CHECK (char_length(name) BETWEEN 1 AND 100),
    -- The eight characters after "obk_".
    public_id    text NOT NULL CONSTRAINT api_keys_public_id_check CHECK (public_id ~ '^[0-9A-Za-z]{8}$'),
    -- SHA-256 of the whole key.
    hash         bytea NOT NULL CONSTRAINT api_keys_hash_check CHECK (octet_length(hash) = 32),
    -- Null for keys made on the command line.
    created_by   uuid CONSTRAINT api_keys_created_by_fkey REFERENCES users (id) ON DELETE SET NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    -- Changes with everything that a running instance must know of; not with last_used_at.
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT api_keys_public_id_key UNIQUE (public_id)
);
CREATE INDEX api_keys_created_at_idx ON api_keys (created_at DESC, id);
CREATE INDEX api_keys_updated_at_idx ON api_keys (updated_at);

-- Every change that decides whether a key is accepted is told to all instances
-- with its public id; they drop what they remembered of it.
CREATE FUNCTION api_keys_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM pg_notify('api_keys', OLD.public_id);
        RETURN OLD;
    END IF;
    PERFORM pg_notify('api_keys', NEW.public_id);
    RETURN NEW;
END;
$$;

CREATE FUNCTION api_keys_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- clock_timestamp, not now(): a long transaction must not date its change
    -- before an instance's last look.
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END;
$$;

CREATE TRIGGER api_keys_touch_trigger
    BEFORE UPDATE OF name, public_id, hash, expires_at, revoked_at ON api_keys
    FOR EACH ROW EXECUTE FUNCTION api_keys_touch();
CREATE TRIGGER api_keys_notify_trigger
    AFTER INSERT OR DELETE OR UPDATE OF name, public_id, hash, expires_at, revoked_at ON api_keys
    FOR EACH ROW EXECUTE FUNCTION api_keys_notify();
