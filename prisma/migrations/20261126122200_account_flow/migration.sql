-- Shares and rate limits of provider accounts, and what the processes tell each other about them.
ALTER TABLE "provider_accounts" ADD COLUMN "weight" INTEGER NOT NULL DEFAULT 1;
ALTER TABLE "provider_accounts" ADD COLUMN "rate_limit" JSONB;

CREATE TABLE "account_flow" (
    "workspace_id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "failures_in_row" INTEGER NOT NULL DEFAULT 0,
    "window_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "window_ok" INTEGER NOT NULL DEFAULT 0,
    "window_failed" INTEGER NOT NULL DEFAULT 0,
    "open_until" TIMESTAMPTZ(3),
    "opened_at" TIMESTAMPTZ(3),
    "open_reason" TEXT,
    "trips" INTEGER NOT NULL DEFAULT 0,
    "probes" INTEGER NOT NULL DEFAULT 0,
    "probes_at" TIMESTAMPTZ(3),
    "held_until" TIMESTAMPTZ(3),
    "hold_ms" INTEGER NOT NULL DEFAULT 0,
    "tokens" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "filled_at" TIMESTAMPTZ(3),
    "period_at" TIMESTAMPTZ(3),
    "used" DOUBLE PRECISION NOT NULL DEFAULT 0,
    "promised_until" TIMESTAMPTZ(3),

    CONSTRAINT "account_flow_pkey" PRIMARY KEY ("account_id")
);
-- One row per account, rewritten often: the room keeps a change on its page.
ALTER TABLE "account_flow" SET (fillfactor = 10);
CREATE INDEX "account_flow_workspace_id_idx" ON "account_flow"("workspace_id");

ALTER TABLE "account_flow" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "account_flow" FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON "account_flow" USING (current_setting('app.workspace', true) IN ('*', workspace_id::text));
GRANT SELECT, INSERT, UPDATE, DELETE ON "account_flow" TO carillon_app;
