-- What preparing found is kept with each run, to compare the next one with; what a campaign began as a copy of; what texts cost.
-- Columns that may be null and have no default change no row.
ALTER TABLE "campaign_runs" ADD COLUMN "report" JSONB;
ALTER TABLE "campaigns" ADD COLUMN "cloned_from" UUID;
ALTER TABLE "provider_accounts" ADD COLUMN "prices" JSONB;
-- A rate may be given by the hour. The table holds a row per mailing.
ALTER TABLE "runs" ALTER COLUMN "rate" TYPE DOUBLE PRECISION;

-- Quotas for receiving domains while an account warms up.
CREATE TABLE "domain_uses" (
    "workspace_id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "day" DATE NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "used" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "domain_uses_pkey" PRIMARY KEY ("workspace_id","account_id","name")
);
ALTER TABLE "domain_uses" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "domain_uses" FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON "domain_uses" USING (current_setting('app.workspace', true) IN ('*', workspace_id::text));
GRANT SELECT, INSERT, UPDATE, DELETE ON "domain_uses" TO carillon_app;
