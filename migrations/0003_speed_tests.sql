-- Every speed test that was run, the failed ones too. Latencies are milliseconds.
CREATE TABLE speed_tests (
    id              uuid PRIMARY KEY,
    -- Which Odoo: "<url> <database>".
    target          text NOT NULL,
    test_type       text NOT NULL CONSTRAINT speed_tests_test_type_check CHECK (test_type IN ('light', 'heavy')),
    status          text NOT NULL CONSTRAINT speed_tests_status_check CHECK (status IN ('succeeded', 'failed')),
    -- From the first byte sent to the last byte read; of a failed run, until it failed.
    latency_ms      double precision NOT NULL CONSTRAINT speed_tests_latency_ms_check CHECK (latency_ms >= 0),
    authenticate_ms double precision,
    query_ms        double precision,
    -- What the heavy test read, and how many records it got.
    model           text,
    record_count    integer,
    -- Why it failed: a stable code and a sentence.
    error_code      text,
    error           text,
    -- What the reader of a successful run should know (such as: Sales is not installed).
    details         text,
    tested_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT speed_tests_error_check CHECK ((status = 'failed') = (error_code IS NOT NULL))
);
CREATE INDEX speed_tests_tested_at_idx ON speed_tests (tested_at DESC, id);
