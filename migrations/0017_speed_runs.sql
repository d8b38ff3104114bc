-- Runs of the speed test with many samples, by several ways in. Times are milliseconds.
CREATE TABLE speed_runs (
    id             uuid PRIMARY KEY,
    -- Which Odoo: "<url> <database>".
    target         text NOT NULL,
    kind           text NOT NULL CONSTRAINT speed_runs_kind_check CHECK (kind IN ('light', 'heavy')),
    -- Whether every sample logs in anew, over a new connection.
    is_cold        boolean NOT NULL,
    -- web, jsonrpc, json2.
    ways           text[] NOT NULL CONSTRAINT speed_runs_ways_check CHECK (cardinality(ways) BETWEEN 1 AND 3),
    -- How many were asked for, by each way.
    samples        integer NOT NULL CONSTRAINT speed_runs_samples_check CHECK (samples BETWEEN 1 AND 100),
    -- 'running' is true only while its instance holds the lock of the target.
    state          text NOT NULL CONSTRAINT speed_runs_state_check
                   CHECK (state IN ('running', 'finished', 'cancelled', 'interrupted')),
    -- What the heavy test read.
    model          text,
    odoo_version   text,
    bridge_version text NOT NULL,
    -- By whom; the text stays when the account goes.
    started_by     text NOT NULL,
    cancelled_by   text,
    started_at     timestamptz NOT NULL DEFAULT now(),
    ended_at       timestamptz,
    CONSTRAINT speed_runs_ended_check CHECK ((state = 'running') = (ended_at IS NULL))
);
CREATE INDEX speed_runs_started_at_idx ON speed_runs (started_at DESC, id DESC);

CREATE TABLE speed_samples (
    run_id          uuid NOT NULL REFERENCES speed_runs ON DELETE CASCADE,
    way             text NOT NULL,
    -- From 1; the warm-up is not kept.
    number          integer NOT NULL,
    connect_ms      double precision NOT NULL,
    authenticate_ms double precision NOT NULL,
    queue_ms        double precision NOT NULL,
    odoo_ms         double precision NOT NULL,
    transfer_ms     double precision NOT NULL,
    -- By a clock of its own; of one that failed, until it failed.
    total_ms        double precision NOT NULL,
    records         integer,
    bytes           bigint,
    -- Why it failed.
    error_code      text,
    error           text,
    PRIMARY KEY (run_id, way, number)
);
