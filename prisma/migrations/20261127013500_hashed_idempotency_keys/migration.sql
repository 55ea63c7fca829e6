-- Of the key that a client gave a send only the hash is kept: it may name a person.
UPDATE "idempotency_keys" SET "key" = encode(sha256(convert_to("workspace_id" || ':' || "key", 'UTF8')), 'hex') WHERE "key" !~ '^[0-9a-f]{64}$';
