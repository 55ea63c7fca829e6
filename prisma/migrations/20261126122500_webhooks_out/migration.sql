-- Webhooks out: who wants to hear of what, and what is to be told. See docs/decisions/0011-webhooks-out.md.

-- CreateTable
CREATE TABLE "webhook_endpoints" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "url" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "types" TEXT[],
    "secrets" JSONB NOT NULL,
    "enabled" BOOLEAN NOT NULL DEFAULT true,
    "disabled_reason" TEXT,
    "failing_since" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "webhook_endpoints_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "webhook_messages" (
    "endpoint_id" UUID NOT NULL,
    "event_id" TEXT NOT NULL,
    "workspace_id" UUID NOT NULL,
    "type" TEXT NOT NULL,
    "happened_at" TIMESTAMPTZ(3) NOT NULL,
    "payload" JSONB,
    "status" TEXT NOT NULL DEFAULT 'pending',
    "tries" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(3) DEFAULT CURRENT_TIMESTAMP,
    "attempts" JSONB NOT NULL DEFAULT '[]',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "webhook_messages_pkey" PRIMARY KEY ("endpoint_id","event_id")
);

-- CreateIndex
CREATE INDEX "webhook_endpoints_workspace_id_idx" ON "webhook_endpoints"("workspace_id");

-- CreateIndex
CREATE INDEX "webhook_messages_endpoint_id_due_at_idx" ON "webhook_messages"("endpoint_id", "due_at") WHERE "due_at" IS NOT NULL;

-- CreateIndex
CREATE INDEX "webhook_messages_endpoint_id_event_id_idx" ON "webhook_messages"("endpoint_id", "event_id") WHERE "status" = 'failed';

-- CreateIndex
CREATE INDEX "webhook_messages_created_at_idx" ON "webhook_messages" USING BRIN ("created_at");

-- ── The walls ──────────────────────────────────────────────────────────────────────────────────────────────────────

-- Closed lists: libs/contracts/src/lists.ts.
ALTER TABLE "webhook_messages" ADD CONSTRAINT "webhook_messages_status" CHECK ("status" IN ('pending', 'sent', 'failed'));
ALTER TABLE "webhook_messages" ADD CONSTRAINT "webhook_messages_pending_is_due" CHECK (("status" = 'pending') = ("due_at" IS NOT NULL));
ALTER TABLE "webhook_endpoints" ADD CONSTRAINT "webhook_endpoints_disabled_has_reason" CHECK ("enabled" = ("disabled_reason" IS NULL));

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['webhook_endpoints', 'webhook_messages'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY workspace ON %I USING (current_setting(''app.workspace'', true) IN (''*'', workspace_id::text))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carillon_app', t);
  END LOOP;
END $$;

-- What is to be told is written by the statement that writes the timeline, whoever runs it: no crash can come between.
-- Once per statement, and where nobody listens it looks at an empty table and is done. An endpoint without types wants
-- all that webhooks tell of; the lines left out are steps inside Carillon.
CREATE FUNCTION collect_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM webhook_endpoints WHERE enabled) THEN
    RETURN NULL;
  END IF;
  INSERT INTO webhook_messages (endpoint_id, event_id, workspace_id, type, happened_at)
  SELECT w.id, e.delivery_id || ':' || e.id, e.workspace_id, 'delivery.' || e.type, e.at
    FROM written e JOIN webhook_endpoints w ON w.workspace_id = e.workspace_id
   WHERE w.enabled
     AND CASE WHEN w.types = '{}' THEN e.type NOT IN ('scheduled', 'queued', 'claimed', 'handed_over', 'device_sent', 'device_failed', 'receipt')
              ELSE 'delivery.' || e.type = ANY (w.types) END;
  RETURN NULL;
END $$;
CREATE TRIGGER webhooks AFTER INSERT ON "delivery_events" REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION collect_webhooks();
