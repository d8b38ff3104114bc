-- Speed test runs by a schedule, and alerts on what they come to.
CREATE TABLE speed_schedules (
    id         uuid PRIMARY KEY,
    name       text NOT NULL CONSTRAINT speed_schedules_name_key UNIQUE,
    -- Which Odoo: "<url> <database>". A bridge in front of another one leaves it out.
    target     text NOT NULL,
    kind       text NOT NULL CONSTRAINT speed_schedules_kind_check CHECK (kind IN ('light', 'heavy')),
    is_cold    boolean NOT NULL,
    ways       text[] NOT NULL CONSTRAINT speed_schedules_ways_check CHECK (cardinality(ways) BETWEEN 1 AND 3),
    samples    integer NOT NULL CONSTRAINT speed_schedules_samples_check CHECK (samples BETWEEN 1 AND 100),
    every_secs bigint NOT NULL CONSTRAINT speed_schedules_every_secs_check CHECK (every_secs BETWEEN 60 AND 31536000),
    -- When its next run begins. Whoever takes it moves this on first.
    next_at    timestamptz NOT NULL,
    is_paused  boolean NOT NULL DEFAULT false,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX speed_schedules_next_at_idx ON speed_schedules (next_at) WHERE NOT is_paused;

ALTER TABLE speed_runs ADD COLUMN schedule_id uuid REFERENCES speed_schedules ON DELETE SET NULL;
CREATE INDEX speed_runs_schedule_idx ON speed_runs (schedule_id, id DESC) WHERE schedule_id IS NOT NULL;

-- When somebody is told of a schedule's runs.
CREATE TABLE alert_rules (
    id           uuid PRIMARY KEY,
    schedule_id  uuid NOT NULL REFERENCES speed_schedules ON DELETE CASCADE,
    -- p95 of the samples of so many runs, the last ones.
    last_runs    integer NOT NULL CONSTRAINT alert_rules_last_runs_check CHECK (last_runs BETWEEN 1 AND 20),
    -- Above so many milliseconds, or so many percent above the runs before: one of the two.
    over_ms      double precision CONSTRAINT alert_rules_over_ms_check CHECK (over_ms > 0),
    over_percent double precision CONSTRAINT alert_rules_over_percent_check CHECK (over_percent > 0),
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    -- Since when it is above; null: it is not.
    firing_since timestamptz,
    -- The milliseconds of each way that it has to come back to, as they were when it began.
    limits       jsonb,
    CONSTRAINT alert_rules_one_check CHECK ((over_ms IS NULL) <> (over_percent IS NULL)),
    CONSTRAINT alert_rules_firing_check CHECK ((firing_since IS NULL) = (limits IS NULL))
);
CREATE INDEX alert_rules_schedule_idx ON alert_rules (schedule_id);

-- Who is told. The address may hold a secret, so it is sealed by the bridge's own key.
CREATE TABLE alert_channels (
    id         uuid PRIMARY KEY,
    name       text NOT NULL CONSTRAINT alert_channels_name_key UNIQUE,
    kind       text NOT NULL CONSTRAINT alert_channels_kind_check CHECK (kind IN ('webhook', 'email')),
    sealed     bytea NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- What is to be told, written with the change itself and kept until it was told.
CREATE TABLE alert_deliveries (
    id         uuid PRIMARY KEY,
    channel_id uuid NOT NULL REFERENCES alert_channels ON DELETE CASCADE,
    rule_id    uuid NOT NULL REFERENCES alert_rules ON DELETE CASCADE,
    event      text NOT NULL CONSTRAINT alert_deliveries_event_check CHECK (event IN ('firing', 'resolved')),
    -- The change's own run: one change, one delivery for each channel.
    run_id     uuid NOT NULL,
    body       jsonb NOT NULL,
    -- By the clock: the transaction that writes it is as old as the run.
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts   integer NOT NULL DEFAULT 0,
    -- When it is tried next. Whoever tries it moves this on first.
    next_at    timestamptz NOT NULL DEFAULT now(),
    sent_at    timestamptz,
    given_up_at timestamptz,
    -- Why it did not arrive, without the address.
    error      text,
    CONSTRAINT alert_deliveries_once_key UNIQUE (rule_id, channel_id, run_id, event)
);
CREATE INDEX alert_deliveries_next_at_idx ON alert_deliveries (next_at) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX alert_deliveries_channel_idx ON alert_deliveries (channel_id, id DESC);
