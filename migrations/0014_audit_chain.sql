-- What was written down is chained: each event's seal is an HMAC over the event and
-- the seal before it, made by a running bridge within a second.
ALTER TABLE audit_events
    -- Its place in the chain, from 1 without gaps; null until it is sealed.
    ADD COLUMN sealed_no bigint CONSTRAINT audit_events_sealed_no_key UNIQUE,
    ADD COLUMN seal bytea,
    -- Which of the bridge's keys made it.
    ADD COLUMN seal_key text,
    ADD CONSTRAINT audit_events_seal_check CHECK
        ((sealed_no IS NULL) = (seal IS NULL) AND (sealed_no IS NULL) = (seal_key IS NULL));
CREATE INDEX audit_events_unsealed_idx ON audit_events (id) WHERE sealed_no IS NULL;
CREATE INDEX audit_events_user_email_idx ON audit_events (user_email, id DESC);
CREATE INDEX audit_events_action_idx ON audit_events (action, id DESC);

-- A mistake of ours must not change the past. Whoever owns the database can; then the
-- chain tells.
CREATE FUNCTION audit_events_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.sealed_no IS NULL
        AND (NEW.id, NEW.happened_at, NEW.user_id, NEW.user_email, NEW.address, NEW.action,
             NEW.subject_id, NEW.subject_name, NEW.before, NEW.after)
            IS NOT DISTINCT FROM
            (OLD.id, OLD.happened_at, OLD.user_id, OLD.user_email, OLD.address, OLD.action,
             OLD.subject_id, OLD.subject_name, OLD.before, OLD.after)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'audit_events is only added to';
END;
$$;
CREATE TRIGGER audit_events_keep_trigger
    BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_keep();
