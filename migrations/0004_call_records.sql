-- What each accepted key called, and what came of it. Never arguments or results.
-- One partition a day (UTC), made ahead or on demand, dropped whole.
CREATE TABLE call_records (
    called_at    timestamptz NOT NULL,
    -- Made by the instance that writes, so that a batch written twice is there once.
    id           uuid NOT NULL,
    -- No foreign key: a record outlives its key, and writing it locks nothing.
    api_key_id   uuid NOT NULL,
    -- Null when the body was no call.
    model        text,
    method       text,
    -- 'ok' or the error's code.
    code         text NOT NULL,
    -- Which of Odoo's interfaces it took; null when Odoo was not asked.
    way          text,
    -- Milliseconds of the whole call, and of it Odoo's.
    duration_ms  real NOT NULL,
    odoo_ms      real,
    -- Odoo's result, as it was passed on.
    answer_bytes bigint NOT NULL,
    request_id   text NOT NULL,
    address      inet,
    -- Also the order of a page of them: newest first.
    PRIMARY KEY (called_at, id)
) PARTITION BY RANGE (called_at);
-- With the code, so that a key's failures are counted without its records.
CREATE INDEX call_records_api_key_id_idx ON call_records (api_key_id, called_at DESC, id DESC) INCLUDE (code);

-- Makes the partition of a day, unless it is there. Attached rather than made in
-- place: that locks out neither readers nor writers of the other days.
CREATE FUNCTION call_records_make_day(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := 'call_records_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    -- Several instances may want it at the same moment.
    PERFORM pg_advisory_xact_lock(hashtext('call_records'), hashtext(current_schema()));
    IF to_regclass(name) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE call_records INCLUDING ALL)', name);
    EXECUTE format(
        'ALTER TABLE call_records ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', name,
        to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00'
    );
END;
$$;

-- Drops the partitions of the days before one; says how many.
CREATE FUNCTION call_records_drop_before(first_kept date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    old regclass;
    dropped integer := 0;
BEGIN
    -- Another instance is at it.
    IF NOT pg_try_advisory_xact_lock(hashtext('call_records'), hashtext(current_schema())) THEN
        RETURN 0;
    END IF;
    -- A reader of old records must not make every writer queue behind the drop.
    PERFORM set_config('lock_timeout', '1s', true);
    FOR old IN
        SELECT inhrelid::regclass FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'call_records'::regclass
            AND CASE WHEN relname ~ '^call_records_[0-9]{8}$'
                THEN to_date(right(relname, 8), 'YYYYMMDD') < first_kept ELSE false END
    LOOP
        EXECUTE format('DROP TABLE %s', old);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END;
$$;
