-- What each key may do, as a document (src/keys/policy/document.rs); checked by the
-- bridge when it is saved and again when it is loaded. Text, not jsonb: it is shown as
-- it was written, and jsonb would silently take the last of two equal names.
CREATE TABLE policies (
    id         uuid PRIMARY KEY,
    name       text NOT NULL CONSTRAINT policies_name_check CHECK (char_length(name) BETWEEN 1 AND 100),
    document   text NOT NULL CONSTRAINT policies_document_check CHECK (octet_length(document) <= 65536),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT policies_name_key UNIQUE (name)
);

ALTER TABLE api_keys
    -- Keys that are there could do everything until now and go on so, on purpose.
    ADD COLUMN policy text NOT NULL DEFAULT '{"access":"full"}'
        CONSTRAINT api_keys_policy_check CHECK (octet_length(policy) <= 65536),
    -- A shared policy stands in the place of the key's own.
    ADD COLUMN policy_id uuid CONSTRAINT api_keys_policy_id_fkey REFERENCES policies (id) ON DELETE RESTRICT,
    -- Moves when the shared policy changes, so that every instance learns of it.
    ADD COLUMN policy_revision bigint NOT NULL DEFAULT 0,
    -- Since when it is refused, until it is enabled again.
    ADD COLUMN disabled_at timestamptz,
    -- The key that took its place when it was rolled.
    ADD COLUMN replaced_by uuid CONSTRAINT api_keys_replaced_by_fkey REFERENCES api_keys (id) ON DELETE SET NULL;
ALTER TABLE api_keys ALTER COLUMN policy SET DEFAULT '{"access":"read_only"}';
CREATE INDEX api_keys_policy_id_idx ON api_keys (policy_id) WHERE policy_id IS NOT NULL;

DROP TRIGGER api_keys_touch_trigger ON api_keys;
CREATE TRIGGER api_keys_touch_trigger
    BEFORE UPDATE OF name, public_id, hash, expires_at, revoked_at, disabled_at, share_reads, policy, policy_id, policy_revision
    ON api_keys
    FOR EACH ROW EXECUTE FUNCTION api_keys_touch();
DROP TRIGGER api_keys_notify_trigger ON api_keys;
CREATE TRIGGER api_keys_notify_trigger
    AFTER INSERT OR DELETE
        OR UPDATE OF name, public_id, hash, expires_at, revoked_at, disabled_at, share_reads, policy, policy_id, policy_revision
    ON api_keys
    FOR EACH ROW EXECUTE FUNCTION api_keys_notify();

CREATE FUNCTION policies_tell() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    UPDATE api_keys SET policy_revision = policy_revision + 1 WHERE policy_id = NEW.id;
    RETURN NEW;
END;
$$;
CREATE TRIGGER policies_tell_trigger
    BEFORE UPDATE OF document ON policies
    FOR EACH ROW EXECUTE FUNCTION policies_tell();
