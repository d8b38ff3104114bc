-- At which pace each key may call, how often and from where: a document
-- (src/keys/limits.rs), checked by the bridge when it is saved.
ALTER TABLE api_keys
    ADD COLUMN limits text NOT NULL DEFAULT '{}'
        CONSTRAINT api_keys_limits_check CHECK (octet_length(limits) <= 16384);

DROP TRIGGER api_keys_touch_trigger ON api_keys;
CREATE TRIGGER api_keys_touch_trigger
    BEFORE UPDATE OF name, public_id, hash, expires_at, revoked_at, disabled_at, share_reads, policy, policy_id, policy_revision, limits
    ON api_keys
    FOR EACH ROW EXECUTE FUNCTION api_keys_touch();
DROP TRIGGER api_keys_notify_trigger ON api_keys;
CREATE TRIGGER api_keys_notify_trigger
    AFTER INSERT OR DELETE
        OR UPDATE OF name, public_id, hash, expires_at, revoked_at, disabled_at, share_reads, policy, policy_id, policy_revision, limits
    ON api_keys
    FOR EACH ROW EXECUTE FUNCTION api_keys_notify();

-- How often each key was used on each day (UTC): what quotas are counted by. Its rows
-- outlive the call records.
CREATE TABLE key_uses (
    -- No foreign key, as in call_records.
    api_key_id uuid NOT NULL,
    day        date NOT NULL,
    calls      bigint NOT NULL,
    CONSTRAINT key_uses_pkey PRIMARY KEY (api_key_id, day)
);
