-- Runs, their members and pages: the bulk lane. New tables only; locks nothing that is in use.
-- CreateTable
CREATE TABLE "runs" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "source" TEXT NOT NULL,
    "source_id" TEXT,
    "channel" TEXT NOT NULL,
    "class" TEXT NOT NULL,
    "topic" TEXT,
    "message_id" UUID NOT NULL,
    "day" DATE NOT NULL,
    "planned_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "state" TEXT NOT NULL,
    "paused_reason" TEXT,
    "members" INTEGER NOT NULL DEFAULT 0,
    "weight" INTEGER NOT NULL DEFAULT 1,
    "pass" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "rate" INTEGER,
    "next_release_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "runs_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "lane_turns" (
    "workspace_id" UUID NOT NULL,
    "channel" TEXT NOT NULL,
    "turn" BIGINT NOT NULL,

    CONSTRAINT "lane_turns_pkey" PRIMARY KEY ("workspace_id","channel")
);

-- CreateTable
CREATE TABLE "run_members" (
    "day" DATE NOT NULL,
    "run_id" UUID NOT NULL,
    "seq" INTEGER NOT NULL,
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "key" TEXT,
    "data" JSONB,

    CONSTRAINT "run_members_pkey" PRIMARY KEY ("day","run_id","seq")
) PARTITION BY RANGE ("day");

-- CreateTable
CREATE TABLE "pages" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "run_id" UUID NOT NULL,
    "no" INTEGER NOT NULL,
    "lo" INTEGER NOT NULL,
    "hi" INTEGER NOT NULL,
    "channel" TEXT NOT NULL,
    "state" TEXT NOT NULL DEFAULT 'open',
    "cursor" INTEGER NOT NULL,
    "mark" INTEGER NOT NULL,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "crashes" INTEGER NOT NULL DEFAULT 0,
    "lease_until" TIMESTAMPTZ(3),
    "counts" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "pages_pkey" PRIMARY KEY ("id")
) WITH (fillfactor = 70);

-- CreateIndex
CREATE UNIQUE INDEX "runs_workspace_id_id_key" ON "runs"("workspace_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "runs_message_id_key" ON "runs"("message_id");

-- CreateIndex
CREATE INDEX "runs_workspace_id_source_id_idx" ON "runs"("workspace_id", "source_id");

-- CreateIndex
CREATE INDEX "runs_channel_idx" ON "runs"("channel") WHERE "state" = 'running';

-- CreateIndex
CREATE UNIQUE INDEX "pages_run_id_no_key" ON "pages"("run_id", "no");

-- CreateIndex
CREATE INDEX "pages_lease_until_idx" ON "pages"("lease_until") WHERE "lease_until" IS NOT NULL;

-- AddForeignKey
ALTER TABLE "pages" ADD CONSTRAINT "pages_workspace_id_run_id_fkey" FOREIGN KEY ("workspace_id", "run_id") REFERENCES "runs"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- The next open page of a run, however many are done.
CREATE INDEX "pages_open_idx" ON "pages"("run_id", "no") WHERE "state" = 'open';

ALTER TABLE "runs" ADD CONSTRAINT "runs_channel" CHECK ("channel" IN ('email', 'sms', 'push', 'in-app'));
ALTER TABLE "runs" ADD CONSTRAINT "runs_state" CHECK ("state" IN ('planned', 'running', 'paused', 'completed', 'cancelled'));
ALTER TABLE "runs" ADD CONSTRAINT "runs_weight" CHECK ("weight" BETWEEN 1 AND 100);
ALTER TABLE "runs" ADD CONSTRAINT "runs_rate" CHECK ("rate" > 0);
ALTER TABLE "pages" ADD CONSTRAINT "pages_state" CHECK ("state" IN ('open', 'released', 'working', 'done'));
ALTER TABLE "pages" ADD CONSTRAINT "pages_places" CHECK ("lo" <= "cursor" AND "cursor" <= "mark" AND "mark" <= "hi");
-- What is in someone's hands falls back; what is done waits for nothing.
ALTER TABLE "pages" ADD CONSTRAINT "pages_lease" CHECK
  (CASE "state" WHEN 'open' THEN true WHEN 'done' THEN "lease_until" IS NULL ELSE "lease_until" IS NOT NULL END);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['runs', 'run_members', 'pages', 'lane_turns']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY workspace ON %I USING (current_setting(''app.workspace'', true) IN (''*'', workspace_id::text))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carillon_app', t);
  END LOOP;
END $$;

-- As before, and the members of runs, which go when the log of their day goes.
CREATE OR REPLACE FUNCTION ensure_partitions(ahead integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
  made integer := 0;
  today date := (now() AT TIME ZONE 'UTC')::date;
  d date;
  parent text;
  child text;
BEGIN
  IF ahead NOT BETWEEN 0 AND 60 THEN RAISE EXCEPTION 'ahead must be 0 to 60 days'; END IF;
  PERFORM pg_advisory_xact_lock(72707370);
  FOREACH parent IN ARRAY ARRAY['messages', 'deliveries', 'delivery_events', 'receipts', 'run_members'] LOOP
    FOR i IN -1..ahead LOOP
      d := today + i;
      child := parent || '_' || to_char(d, 'YYYYMMDD');
      CONTINUE WHEN to_regclass(child) IS NOT NULL;
      EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', child, parent);
      -- Statuses change in place; the room keeps such a change on its page.
      IF parent = 'deliveries' THEN
        EXECUTE format('ALTER TABLE %I SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)', child);
      END IF;
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, child, d, d + 1);
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;
