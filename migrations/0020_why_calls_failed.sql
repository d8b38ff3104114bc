-- Why a call failed, where Odoo's answer tells it, and what the model or method that it asked for is
-- called now. Null: not known, or nothing failed; also of records from before.
-- Milliseconds for which Odoo was asked for fields that a policy, or a create under an external id,
-- had to know: seldom, because they are kept.
ALTER TABLE call_records
    ADD COLUMN reason     text,
    ADD COLUMN now_called text,
    ADD COLUMN fields_ms  real;

-- As for codes (0015): failures are few.
CREATE INDEX call_records_reason_idx ON call_records (reason, called_at DESC, id DESC) WHERE reason IS NOT NULL;
