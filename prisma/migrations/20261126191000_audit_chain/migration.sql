-- The audit log as a chain: each line holds the hash of itself and of the line before, so that a line that was changed,
-- taken out or put in, by whoever can, is found (verify_audit). What was cut off at the end is found by whoever keeps a head.

-- AlterTable
ALTER TABLE "audit_log" ADD COLUMN     "hash" BYTEA,
ADD COLUMN     "seq" BIGINT;

/* What of a line is hashed. */
CREATE FUNCTION audit_text(line "audit_log") RETURNS text LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_array(line.workspace_id, line.seq, line.id, to_char(line.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
    line.by, line.action, line.subject, line.detail)::text
$$;
CREATE FUNCTION audit_hash(before bytea, line "audit_log") RETURNS bytea LANGUAGE sql STABLE AS $$
  SELECT sha256(coalesce(before, ''::bytea) || convert_to(audit_text(line), 'UTF8'))
$$;

-- One line of a workspace after another.
CREATE FUNCTION chain_audit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  last_seq bigint;
  last_hash bytea;
BEGIN
  PERFORM pg_advisory_xact_lock(72707374, hashtext(NEW.workspace_id::text));
  SELECT seq, hash INTO last_seq, last_hash FROM audit_log WHERE workspace_id = NEW.workspace_id ORDER BY seq DESC LIMIT 1;
  NEW.seq := coalesce(last_seq, 0) + 1;
  NEW.hash := audit_hash(last_hash, NEW);
  RETURN NEW;
END $$;

-- Lines from before the chain are chained as they stand.
DO $$
DECLARE
  line "audit_log";
  last_workspace uuid;
  last_seq bigint := 0;
  last_hash bytea;
BEGIN
  FOR line IN SELECT * FROM "audit_log" ORDER BY workspace_id, id LOOP
    IF last_workspace IS DISTINCT FROM line.workspace_id THEN
      last_workspace := line.workspace_id;
      last_seq := 0;
      last_hash := NULL;
    END IF;
    line.seq := last_seq + 1;
    line.hash := audit_hash(last_hash, line);
    UPDATE "audit_log" SET seq = line.seq, hash = line.hash WHERE workspace_id = line.workspace_id AND id = line.id;
    last_seq := line.seq;
    last_hash := line.hash;
  END LOOP;
END $$;

ALTER TABLE "audit_log" ALTER COLUMN "seq" SET NOT NULL, ALTER COLUMN "hash" SET NOT NULL;

-- CreateIndex
CREATE UNIQUE INDEX "audit_log_workspace_id_seq_key" ON "audit_log"("workspace_id", "seq");

CREATE TRIGGER chain_audit BEFORE INSERT ON "audit_log" FOR EACH ROW EXECUTE FUNCTION chain_audit();
