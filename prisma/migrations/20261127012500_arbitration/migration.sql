-- Arbitration: who is to get which campaign, where a workspace looks ahead. Capacity: what is used of a period, and what waits.
CREATE TABLE "upcoming_sends" (
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "campaign_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "messages" INTEGER NOT NULL DEFAULT 1,

    CONSTRAINT "upcoming_sends_pkey" PRIMARY KEY ("workspace_id","profile_id","campaign_id")
);
CREATE INDEX "upcoming_sends_workspace_id_campaign_id_idx" ON "upcoming_sends"("workspace_id", "campaign_id");

CREATE TABLE "capacity_uses" (
    "workspace_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "period_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "used" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "capacity_uses_pkey" PRIMARY KEY ("workspace_id","key")
);

CREATE TABLE "capacity_waits" (
    "workspace_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "delivery_id" UUID NOT NULL,
    "message_id" UUID NOT NULL,
    "priority" INTEGER NOT NULL,
    "stale_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "capacity_waits_pkey" PRIMARY KEY ("workspace_id","key","delivery_id")
);
CREATE INDEX "capacity_waits_workspace_id_delivery_id_idx" ON "capacity_waits"("workspace_id", "delivery_id");

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['upcoming_sends', 'capacity_uses', 'capacity_waits'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY workspace ON %I USING (current_setting(''app.workspace'', true) IN (''*'', workspace_id::text))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carillon_app', t);
  END LOOP;
END $$;
