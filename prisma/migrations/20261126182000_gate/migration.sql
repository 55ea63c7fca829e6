-- The gate's rules by version, and what each person was sent lately, for frequency caps.
CREATE TABLE "gate_versions" (
    "workspace_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "rules" JSONB NOT NULL,
    "note" TEXT NOT NULL DEFAULT '',
    "by" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "gate_versions_pkey" PRIMARY KEY ("workspace_id","version")
);

CREATE TABLE "counted_sends" (
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "sends" JSONB NOT NULL DEFAULT '[]',

    CONSTRAINT "counted_sends_pkey" PRIMARY KEY ("workspace_id","profile_id")
);
-- Rewritten with each message to its person: the room keeps a change on its page.
ALTER TABLE "counted_sends" SET (fillfactor = 60);

-- Null where the workspace had no rules of its own. A column that may be null and has no default changes no row.
ALTER TABLE "deliveries" ADD COLUMN "gate_version" INTEGER;
ALTER TABLE "deliveries" ADD COLUMN "gate_said" TEXT;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['gate_versions', 'counted_sends'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY workspace ON %I USING (current_setting(''app.workspace'', true) IN (''*'', workspace_id::text))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carillon_app', t);
  END LOOP;
END $$;
-- History is append-only.
REVOKE UPDATE, DELETE ON "gate_versions" FROM carillon_app;
