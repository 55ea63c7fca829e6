-- Campaigns, their runs, and which mailings of the bulk lane make up a run.
CREATE TABLE "campaigns" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "state" TEXT NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "definition" JSONB NOT NULL,
    "report" JSONB,
    "reason" TEXT,
    "run_no" INTEGER NOT NULL DEFAULT 0,
    "starts_at" TIMESTAMPTZ(3),
    "due_at" TIMESTAMPTZ(3),
    "created_by" TEXT NOT NULL,
    "author" TEXT NOT NULL,
    "approval" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "campaigns_pkey" PRIMARY KEY ("workspace_id","id")
);
CREATE INDEX "campaigns_due_at_idx" ON "campaigns"("due_at") WHERE "due_at" IS NOT NULL;
ALTER TABLE "campaigns" ADD CONSTRAINT "campaigns_state" CHECK ("state" IN
  ('draft', 'prepared', 'scheduled', 'running', 'paused', 'completed', 'cancelled', 'failed'));

CREATE TABLE "campaign_runs" (
    "workspace_id" UUID NOT NULL,
    "campaign_id" UUID NOT NULL,
    "no" INTEGER NOT NULL,
    "state" TEXT NOT NULL,
    "definition" JSONB NOT NULL,
    "targeted" INTEGER NOT NULL DEFAULT 0,
    "guarded" BOOLEAN NOT NULL DEFAULT true,
    "started_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "campaign_runs_pkey" PRIMARY KEY ("workspace_id","campaign_id","no")
);
CREATE TABLE "campaign_parts" (
    "workspace_id" UUID NOT NULL,
    "campaign_id" UUID NOT NULL,
    "no" INTEGER NOT NULL,
    "run_id" UUID NOT NULL,
    "channel" TEXT NOT NULL,
    "variant" TEXT,

    CONSTRAINT "campaign_parts_pkey" PRIMARY KEY ("workspace_id","campaign_id","no","run_id")
);
ALTER TABLE "campaign_runs" ADD CONSTRAINT "campaign_runs_workspace_id_campaign_id_fkey" FOREIGN KEY ("workspace_id", "campaign_id") REFERENCES "campaigns"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "campaign_parts" ADD CONSTRAINT "campaign_parts_workspace_id_campaign_id_no_fkey" FOREIGN KEY ("workspace_id", "campaign_id", "no") REFERENCES "campaign_runs"("workspace_id", "campaign_id", "no") ON DELETE CASCADE ON UPDATE CASCADE;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['campaigns', 'campaign_runs', 'campaign_parts'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY workspace ON %I USING (current_setting(''app.workspace'', true) IN (''*'', workspace_id::text))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carillon_app', t);
  END LOOP;
END $$;
