-- What was called, counted: of the bridge, of each key and of each model, by the minute, the hour
-- and the day (UTC). Written in the transaction of the call records, so that each of them is
-- counted once. Its rows outlive them.
CREATE TABLE traffic (
    -- How long a row's time is: 0 a minute, 1 an hour, 2 a day.
    level    smallint NOT NULL CONSTRAINT traffic_level_check CHECK (level BETWEEN 0 AND 2),
    -- When it begins.
    at       timestamptz NOT NULL,
    -- Of what: 0 the bridge, 1 a key, 2 a model.
    scope    smallint NOT NULL CONSTRAINT traffic_scope_check CHECK (scope BETWEEN 0 AND 2),
    -- Empty, the key's id, or the model's name.
    subject  text COLLATE "C" NOT NULL,
    calls    bigint NOT NULL,
    failures bigint NOT NULL,
    -- Odoo's results, as they were passed on.
    bytes    bigint NOT NULL,
    -- Failures by their code.
    codes    jsonb NOT NULL,
    -- Histograms of the milliseconds of whole calls, and of Odoo's part of them
    -- (src/traffic/histogram.rs, ADR 26). Null: none.
    took     bytea,
    odoo     bytea,
    CONSTRAINT traffic_pkey PRIMARY KEY (level, scope, subject, at)
) PARTITION BY RANGE (level, at);
-- All keys, or all models, of a time. With the subject, so that one row is found by it as quickly
-- as by the primary key: of a new partition the planner knows nothing, and takes either.
CREATE INDEX traffic_at_idx ON traffic (level, scope, at, subject);

-- Makes the partitions that a day's rows go to, unless they are there: a day of minutes, a month
-- of hours, a year of days. As call_records_make_day does.
CREATE FUNCTION traffic_make_parts(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT level, name, first::date AS first, next::date AS next
        FROM (VALUES
            (0, to_char(day, '"traffic_minutes_"YYYYMMDD'), day::timestamp, day + interval '1 day'),
            (1, to_char(day, '"traffic_hours_"YYYYMM'), date_trunc('month', day::timestamp),
                date_trunc('month', day::timestamp) + interval '1 month'),
            (2, to_char(day, '"traffic_days_"YYYY'), date_trunc('year', day::timestamp),
                date_trunc('year', day::timestamp) + interval '1 year')
        ) AS parts (level, name, first, next)
    LOOP
        CONTINUE WHEN to_regclass(part.name) IS NOT NULL;
        -- Several instances may want it at the same moment.
        PERFORM pg_advisory_xact_lock(hashtext('traffic'), hashtext(current_schema()));
        CONTINUE WHEN to_regclass(part.name) IS NOT NULL;
        -- A row is written again and again: with room beside it no index has to be touched for that.
        EXECUTE format('CREATE TABLE %I (LIKE traffic INCLUDING ALL) WITH (fillfactor = 70)', part.name);
        EXECUTE format(
            'ALTER TABLE traffic ATTACH PARTITION %I FOR VALUES FROM (%s, %L) TO (%s, %L)', part.name,
            part.level, to_char(part.first, 'YYYY-MM-DD') || ' 00:00:00+00',
            part.level, to_char(part.next, 'YYYY-MM-DD') || ' 00:00:00+00'
        );
    END LOOP;
END;
$$;

-- Drops the partitions of which nothing is kept: rows of minutes, hours and days before the three
-- days given. Says how many.
CREATE FUNCTION traffic_drop_before(minutes date, hours date, days date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    old regclass;
    dropped integer := 0;
BEGIN
    -- Another instance is at it.
    IF NOT pg_try_advisory_xact_lock(hashtext('traffic'), hashtext(current_schema())) THEN
        RETURN 0;
    END IF;
    PERFORM set_config('lock_timeout', '1s', true);
    FOR old IN
        SELECT inhrelid::regclass FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'traffic'::regclass
            AND CASE
                WHEN relname ~ '^traffic_minutes_[0-9]{8}$' THEN to_date(right(relname, 8), 'YYYYMMDD') < minutes
                WHEN relname ~ '^traffic_hours_[0-9]{6}$'
                    THEN to_date(right(relname, 6), 'YYYYMM') + interval '1 month' <= hours
                WHEN relname ~ '^traffic_days_[0-9]{4}$'
                    THEN to_date(right(relname, 4), 'YYYY') + interval '1 year' <= days
                ELSE false END
    LOOP
        EXECUTE format('DROP TABLE %s', old);
        dropped := dropped + 1;
    END LOOP;
    DELETE FROM traffic_losses WHERE at < days;
    IF dropped > 0 THEN
        DELETE FROM traffic_models WHERE NOT EXISTS (
            SELECT FROM traffic WHERE level = 2 AND scope = 2 AND subject = model
        );
    END IF;
    RETURN dropped;
END;
$$;

-- Models that Odoo has answered for. Only they are counted by their name: what a client makes up
-- must not become a row each.
CREATE TABLE traffic_models (
    model text COLLATE "C" CONSTRAINT traffic_models_pkey PRIMARY KEY
);

-- Calls without a record, because they came faster than they could be written down.
CREATE TABLE traffic_losses (
    -- The minute in which it was noticed.
    at     timestamptz NOT NULL,
    -- Which writer lost them: it tells its number again and again until it is written.
    writer uuid NOT NULL,
    calls  bigint NOT NULL,
    CONSTRAINT traffic_losses_pkey PRIMARY KEY (at, writer)
);

-- Since when calls are counted, if there were some before.
CREATE TABLE traffic_begun (
    at timestamptz NOT NULL
);
INSERT INTO traffic_begun SELECT now() WHERE EXISTS (SELECT FROM call_records);

-- Days whose call records were dropped. A journal that a process left behind may hold records of
-- such a day which were written, and counted, before: nobody can tell any more, so they are not
-- counted again.
CREATE TABLE call_days_gone (
    day date CONSTRAINT call_days_gone_pkey PRIMARY KEY
);

-- As before (0004, 0015), and what is dropped is remembered.
CREATE OR REPLACE FUNCTION call_records_drop_before(first_kept date) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    old record;
    dropped integer := 0;
BEGIN
    -- Another instance is at it.
    IF NOT pg_try_advisory_xact_lock(hashtext('call_records'), hashtext(current_schema())) THEN
        RETURN 0;
    END IF;
    -- A reader of old records must not make every writer queue behind the drop.
    PERFORM set_config('lock_timeout', '1s', true);
    FOR old IN
        SELECT inhrelid::regclass AS name, to_date(right(relname, 8), 'YYYYMMDD') AS day
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'call_records'::regclass
            AND CASE WHEN relname ~ '^call_records_[0-9]{8}$'
                THEN to_date(right(relname, 8), 'YYYYMMDD') < first_kept ELSE false END
    LOOP
        EXECUTE format('DROP TABLE %s', old.name);
        INSERT INTO call_days_gone (day) VALUES (old.day) ON CONFLICT DO NOTHING;
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END;
$$;

CREATE OR REPLACE FUNCTION call_records_drop_above(most_bytes bigint, today date) RETURNS integer LANGUAGE plpgsql AS $$
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
        SELECT inhrelid::regclass AS name, pg_total_relation_size(inhrelid) AS bytes,
            to_date(right(relname, 8), 'YYYYMMDD') AS day
        FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
        WHERE inhparent = 'call_records'::regclass
            AND CASE WHEN relname ~ '^call_records_[0-9]{8}$'
                THEN to_date(right(relname, 8), 'YYYYMMDD') < today ELSE false END
        ORDER BY relname
    LOOP
        EXIT WHEN total <= most_bytes;
        EXECUTE format('DROP TABLE %s', old.name);
        INSERT INTO call_days_gone (day) VALUES (old.day) ON CONFLICT DO NOTHING;
        total := total - old.bytes;
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END;
$$;
