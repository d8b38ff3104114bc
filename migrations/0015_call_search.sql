-- Call records are found by what people ask for, and tell how long each phase took.
-- Milliseconds of the wait for a turn at Odoo, of the policy's decision, and of a large
-- result on its way after Odoo's part. Null: it did not come to that, or was not measured.
ALTER TABLE call_records
    ADD COLUMN queue_ms  real,
    ADD COLUMN policy_ms real,
    ADD COLUMN stream_ms real;

-- Each filter in the order of a page: the newest first. An index of the parent is made on
-- every partition, and on those to come (LIKE ... INCLUDING ALL).
CREATE INDEX call_records_model_idx ON call_records (model, called_at DESC, id DESC);
CREATE INDEX call_records_method_idx ON call_records (method, called_at DESC, id DESC);
-- Failures are few: their indexes are small.
CREATE INDEX call_records_failed_idx ON call_records (called_at DESC, id DESC) WHERE code <> 'ok';
CREATE INDEX call_records_code_idx ON call_records (code, called_at DESC, id DESC) WHERE code <> 'ok';
-- For the few slow ones; of many, the newest are near by anyway.
CREATE INDEX call_records_duration_idx ON call_records (duration_ms);
-- One call, by its own id (which grows as records are written: also what a live view asks for)
-- or by the id that its client was told.
CREATE INDEX call_records_id_idx ON call_records (id);
CREATE INDEX call_records_request_id_idx ON call_records USING hash (request_id);

-- Drops whole days, the oldest first, until all together are no larger than that; never the
-- day given or a later one. Says how many.
CREATE FUNCTION call_records_drop_above(most_bytes bigint, today date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    old record;
    total numeric;
    dropped integer := 0;
BEGIN
    -- Another instance is at it.
    IF NOT pg_try_advisory_xact_lock(hashtext('call_records'), hashtext(current_schema())) THEN
        RETURN 0;
    END IF;
    PERFORM set_config('lock_timeout', '1s', true);
    SELECT COALESCE(sum(pg_total_relation_size(inhrelid)), 0) INTO total
    FROM pg_inherits WHERE inhparent = 'call_records'::regclass;
    FOR old IN
        SELECT inhrelid::regclass AS name, pg_total_relation_size(inhrelid) AS bytes
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'call_records'::regclass
            AND CASE WHEN relname ~ '^call_records_[0-9]{8}$'
                THEN to_date(right(relname, 8), 'YYYYMMDD') < today ELSE false END
        ORDER BY relname
    LOOP
        EXIT WHEN total <= most_bytes;
        EXECUTE format('DROP TABLE %s', old.name);
        total := total - old.bytes;
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END;
$$;
