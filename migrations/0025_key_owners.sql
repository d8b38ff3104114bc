-- Whom to ask about a key: whoever made it, until somebody says otherwise.
ALTER TABLE api_keys
    ADD COLUMN owner text NOT NULL DEFAULT '' CONSTRAINT api_keys_owner_check CHECK (char_length(owner) <= 200);
UPDATE api_keys SET owner = users.email FROM users WHERE users.id = created_by AND char_length(users.email) <= 200;
-- A quota is that of a key and of all whose place it took.
CREATE INDEX api_keys_replaced_by_idx ON api_keys (replaced_by) WHERE replaced_by IS NOT NULL;
