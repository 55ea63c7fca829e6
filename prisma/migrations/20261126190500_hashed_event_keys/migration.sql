-- Of a key that a client gave an event only the hash is kept: it may name a person.
UPDATE "event_keys" SET "key" = encode(sha256(convert_to("workspace_id" || ':' || "key", 'UTF8')), 'hex') WHERE "key" !~ '^[0-9a-f]{64}$';

-- The name of somebody who was erased, hashed, until every file is read that was announced before.
ALTER TABLE "erased_addresses" DROP CONSTRAINT "erased_addresses_kind";
ALTER TABLE "erased_addresses" ADD CONSTRAINT "erased_addresses_kind" CHECK ("kind" IN ('suppression', 'topic', 'person'));
