-- An unknown delivery that is held for reconciliation waits on the clock like everything else. What stood in the table
-- kept the narrower rule, so nothing has to be checked again.
ALTER TABLE "deliveries" DROP CONSTRAINT "deliveries_waiting_is_due";
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_waiting_is_due" CHECK
  ("status" = 'unknown' OR ("status" IN ('scheduled', 'queued', 'sending')) = ("due_at" IS NOT NULL)) NOT VALID;

-- When somebody asked for it to be sent again: the retry window begins anew there.
ALTER TABLE "deliveries" ADD COLUMN "redriven_at" TIMESTAMPTZ(3);

-- Receipts that wait for their delivery: few, and found at once.
CREATE INDEX "receipts_received_at_idx" ON "receipts"("received_at") WHERE "applied_at" IS NULL;

-- Failures by time. On the timeline, which is append-only: an index that looks at a delivery's status would make each
-- receipt write every index of its row.
CREATE INDEX "delivery_events_failures_idx" ON "delivery_events"("workspace_id", "delivery_id") WHERE "type" IN ('failed', 'unknown', 'expired');

-- CreateTable
CREATE TABLE "redrives" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "state" TEXT NOT NULL,
    "fingerprint" TEXT NOT NULL,
    "filter" JSONB NOT NULL,
    "preview" JSONB NOT NULL,
    "delivery_ids" UUID[],
    "position" INTEGER NOT NULL DEFAULT 0,
    "redriven" INTEGER NOT NULL DEFAULT 0,
    "requested_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "started_at" TIMESTAMPTZ(3),
    "finished_at" TIMESTAMPTZ(3),

    CONSTRAINT "redrives_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "redrives_workspace_id_fingerprint_key" ON "redrives"("workspace_id", "fingerprint");

-- CreateIndex
CREATE INDEX "redrives_state_idx" ON "redrives"("state");

ALTER TABLE "redrives" ADD CONSTRAINT "redrives_state" CHECK ("state" IN ('preview', 'running', 'done', 'cancelled'));
ALTER TABLE "redrives" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "redrives" FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON "redrives" USING (current_setting('app.workspace', true) IN ('*', workspace_id::text));
GRANT SELECT, INSERT, UPDATE, DELETE ON "redrives" TO carillon_app;
