-- The ledger. Tables and indexes as Prisma writes them; by hand: partitioning, the partial index on due_at, and
-- everything below "The walls".
-- CreateTable
CREATE TABLE "workspaces" (
    "id" UUID NOT NULL,
    "slug" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "settings" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "workspaces_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "users" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "email" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "password_hash" TEXT NOT NULL,
    "role" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "disabled_at" TIMESTAMPTZ(3),

    CONSTRAINT "users_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "sessions" (
    "hash" BYTEA NOT NULL,
    "workspace_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    "csrf_token" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "sessions_pkey" PRIMARY KEY ("hash")
);

-- CreateTable
CREATE TABLE "api_keys" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "scopes" TEXT[],
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_used_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "rotated_from" UUID,

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "profiles" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "external_id" TEXT NOT NULL,
    "email" TEXT,
    "email_original" TEXT,
    "phone" TEXT,
    "phone_original" TEXT,
    "locale" TEXT,
    "timezone" TEXT,
    "attributes" JSONB NOT NULL DEFAULT '{}',
    "version" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "profiles_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "devices" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "token" TEXT NOT NULL,
    "platform" TEXT NOT NULL,
    "app" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_seen_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "devices_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "consents" (
    "workspace_id" UUID NOT NULL,
    "channel" TEXT NOT NULL,
    "address" TEXT NOT NULL DEFAULT '',
    "profile_id" UUID NOT NULL,
    "topic" TEXT NOT NULL DEFAULT '',
    "word" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "text_version" TEXT,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "consents_pkey" PRIMARY KEY ("workspace_id","channel","address","profile_id","topic")
);

-- CreateTable
CREATE TABLE "suppressions" (
    "workspace_id" UUID NOT NULL,
    "channel" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "suppressions_pkey" PRIMARY KEY ("workspace_id","channel","address")
);

-- CreateTable
CREATE TABLE "templates" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "version" INTEGER NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "archived_at" TIMESTAMPTZ(3),

    CONSTRAINT "templates_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "template_versions" (
    "workspace_id" UUID NOT NULL,
    "template_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "content" JSONB NOT NULL,
    "locales" JSONB NOT NULL DEFAULT '{}',
    "compiled" JSONB NOT NULL,
    "variables" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "template_versions_pkey" PRIMARY KEY ("workspace_id","template_id","version")
);

-- CreateTable
CREATE TABLE "provider_accounts" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "channel" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "position" INTEGER NOT NULL DEFAULT 0,
    "settings" JSONB NOT NULL DEFAULT '{}',
    "secrets" JSONB NOT NULL DEFAULT '{}',
    "revision" INTEGER NOT NULL DEFAULT 1,
    "paused_at" TIMESTAMPTZ(3),
    "paused_reason" TEXT,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deleted_at" TIMESTAMPTZ(3),

    CONSTRAINT "provider_accounts_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "messages" (
    "day" DATE NOT NULL,
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "class" TEXT NOT NULL,
    "lane" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "source_id" TEXT,
    "profile_id" UUID,
    "topic" TEXT,
    "template_id" UUID,
    "template_version" INTEGER,
    "content" JSONB,
    "data" JSONB NOT NULL DEFAULT '{}',
    "options" JSONB NOT NULL DEFAULT '{}',
    "delivery_ids" UUID[],
    "route" JSONB,
    "send_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "messages_pkey" PRIMARY KEY ("day","id")
) PARTITION BY RANGE ("day");

-- CreateTable
CREATE TABLE "deliveries" (
    "day" DATE NOT NULL,
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "message_id" UUID NOT NULL,
    "profile_id" UUID,
    "channel" TEXT NOT NULL,
    "class" TEXT NOT NULL,
    "lane" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "source_id" TEXT,
    "topic" TEXT,
    "template_id" UUID,
    "template_version" INTEGER,
    "address" TEXT,
    "status" TEXT NOT NULL,
    "reason" TEXT,
    "attempt" INTEGER NOT NULL DEFAULT 0,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "due_at" TIMESTAMPTZ(3),
    "handed_over_at" TIMESTAMPTZ(3),
    "provider_account_id" UUID,
    "provider" TEXT,
    "provider_message_id" TEXT,
    "possible_duplicate" BOOLEAN NOT NULL DEFAULT false,
    "crashes" INTEGER NOT NULL DEFAULT 0,
    "route_step" INTEGER NOT NULL DEFAULT 0,
    "expires_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "sent_at" TIMESTAMPTZ(3),
    "delivered_at" TIMESTAMPTZ(3),

    CONSTRAINT "deliveries_pkey" PRIMARY KEY ("day","id")
) PARTITION BY RANGE ("day");

-- CreateTable
CREATE TABLE "delivery_events" (
    "day" DATE NOT NULL,
    "delivery_id" UUID NOT NULL,
    "id" BIGSERIAL NOT NULL,
    "workspace_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "type" TEXT NOT NULL,
    "attempt" INTEGER,
    "reason" TEXT,
    "provider_account_id" UUID,
    "device_id" UUID,
    "detail" JSONB,

    CONSTRAINT "delivery_events_pkey" PRIMARY KEY ("day","delivery_id","id")
) PARTITION BY RANGE ("day");

-- CreateTable
CREATE TABLE "receipts" (
    "day" DATE NOT NULL,
    "workspace_id" UUID NOT NULL,
    "provider_account_id" UUID NOT NULL,
    "event_id" TEXT NOT NULL,
    "delivery_id" UUID NOT NULL,
    "status" TEXT NOT NULL,
    "reason" TEXT,
    "answer" JSONB NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "applied_at" TIMESTAMPTZ(3),

    CONSTRAINT "receipts_pkey" PRIMARY KEY ("day","provider_account_id","event_id")
) PARTITION BY RANGE ("day");

-- CreateTable
CREATE TABLE "idempotency_keys" (
    "workspace_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "request_fields" JSONB NOT NULL,
    "response" JSONB NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("workspace_id","key")
);

-- CreateTable
CREATE TABLE "inbox_feeds" (
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "last_seq" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "inbox_feeds_pkey" PRIMARY KEY ("workspace_id","profile_id")
);

-- CreateTable
CREATE TABLE "inbox_items" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "seq" BIGINT NOT NULL,
    "delivery_id" UUID NOT NULL,
    "title" TEXT NOT NULL,
    "body" TEXT NOT NULL,
    "url" TEXT,
    "image_url" TEXT,
    "data" JSONB NOT NULL DEFAULT '{}',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "seen_at" TIMESTAMPTZ(3),
    "read_at" TIMESTAMPTZ(3),
    "archived_at" TIMESTAMPTZ(3),

    CONSTRAINT "inbox_items_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "used_tickets" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "used_tickets_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "workspaces_slug_key" ON "workspaces"("slug");

-- CreateIndex
CREATE UNIQUE INDEX "users_email_key" ON "users"("email");

-- CreateIndex
CREATE UNIQUE INDEX "users_workspace_id_id_key" ON "users"("workspace_id", "id");

-- CreateIndex
CREATE INDEX "sessions_workspace_id_user_id_idx" ON "sessions"("workspace_id", "user_id");

-- CreateIndex
CREATE UNIQUE INDEX "api_keys_hash_key" ON "api_keys"("hash");

-- CreateIndex
CREATE INDEX "api_keys_workspace_id_idx" ON "api_keys"("workspace_id");

-- CreateIndex
CREATE INDEX "profiles_workspace_id_email_idx" ON "profiles"("workspace_id", "email");

-- CreateIndex
CREATE INDEX "profiles_workspace_id_phone_idx" ON "profiles"("workspace_id", "phone");

-- CreateIndex
CREATE UNIQUE INDEX "profiles_workspace_id_external_id_key" ON "profiles"("workspace_id", "external_id");

-- CreateIndex
CREATE UNIQUE INDEX "profiles_workspace_id_id_key" ON "profiles"("workspace_id", "id");

-- CreateIndex
CREATE INDEX "devices_workspace_id_profile_id_idx" ON "devices"("workspace_id", "profile_id");

-- CreateIndex
CREATE UNIQUE INDEX "devices_workspace_id_token_key" ON "devices"("workspace_id", "token");

-- CreateIndex
CREATE INDEX "consents_workspace_id_profile_id_idx" ON "consents"("workspace_id", "profile_id");

-- CreateIndex
CREATE UNIQUE INDEX "templates_workspace_id_key_key" ON "templates"("workspace_id", "key");

-- CreateIndex
CREATE UNIQUE INDEX "templates_workspace_id_id_key" ON "templates"("workspace_id", "id");

-- CreateIndex
CREATE INDEX "provider_accounts_workspace_id_channel_idx" ON "provider_accounts"("workspace_id", "channel");

-- CreateIndex
CREATE INDEX "deliveries_workspace_id_id_idx" ON "deliveries"("workspace_id", "id");

-- CreateIndex
CREATE INDEX "deliveries_workspace_id_profile_id_id_idx" ON "deliveries"("workspace_id", "profile_id", "id");

-- CreateIndex
CREATE INDEX "deliveries_due_at_idx" ON "deliveries"("due_at") WHERE "due_at" IS NOT NULL;

-- CreateIndex
CREATE INDEX "receipts_delivery_id_idx" ON "receipts"("delivery_id");

-- CreateIndex
CREATE INDEX "idempotency_keys_created_at_idx" ON "idempotency_keys"("created_at");

-- CreateIndex
CREATE UNIQUE INDEX "inbox_items_workspace_id_profile_id_seq_key" ON "inbox_items"("workspace_id", "profile_id", "seq");

-- CreateIndex
CREATE UNIQUE INDEX "inbox_items_workspace_id_delivery_id_key" ON "inbox_items"("workspace_id", "delivery_id");

-- CreateIndex
CREATE INDEX "used_tickets_expires_at_idx" ON "used_tickets"("expires_at");

-- AddForeignKey
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_workspace_id_user_id_fkey" FOREIGN KEY ("workspace_id", "user_id") REFERENCES "users"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "devices" ADD CONSTRAINT "devices_workspace_id_profile_id_fkey" FOREIGN KEY ("workspace_id", "profile_id") REFERENCES "profiles"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "template_versions" ADD CONSTRAINT "template_versions_workspace_id_template_id_fkey" FOREIGN KEY ("workspace_id", "template_id") REFERENCES "templates"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;



-- ── The walls ──────────────────────────────────────────────────────────────────────────────────────────────────────

-- Closed lists: the words of libs/contracts/src/words.ts.
ALTER TABLE "users" ADD CONSTRAINT "users_role" CHECK ("role" IN ('owner', 'editor', 'viewer'));
ALTER TABLE "devices" ADD CONSTRAINT "devices_platform" CHECK ("platform" IN ('ios', 'android', 'web'));
ALTER TABLE "consents" ADD CONSTRAINT "consents_word" CHECK ("word" IN ('in', 'out'));
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_channel" CHECK ("channel" IN ('email', 'sms', 'push', 'in-app'));
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_status" CHECK ("status" IN
  ('scheduled', 'queued', 'sending', 'sent', 'delivered', 'failed', 'suppressed', 'cancelled', 'expired', 'unknown'));
-- An end has a reason unless it is a success, and waits for nothing.
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_end_has_reason" CHECK
  ("status" NOT IN ('failed', 'suppressed', 'cancelled', 'expired', 'unknown') OR "reason" IS NOT NULL);
ALTER TABLE "deliveries" ADD CONSTRAINT "deliveries_waiting_is_due" CHECK
  (("status" IN ('scheduled', 'queued', 'sending')) = ("due_at" IS NOT NULL));

-- Row-level security: the second wall behind `workspace_id = …` in every query. A transaction names its workspace with
-- set_config('app.workspace', <id>, true); '*' is for the machinery that works over all (claims, clock, sign-in).
-- Without it nothing is visible and nothing can be written. FORCE binds the owner too, unless it is a superuser.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['users', 'sessions', 'api_keys', 'profiles', 'devices', 'consents', 'suppressions', 'templates',
    'template_versions', 'provider_accounts', 'messages', 'deliveries', 'delivery_events', 'receipts', 'idempotency_keys',
    'inbox_feeds', 'inbox_items', 'used_tickets']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY workspace ON %I USING (current_setting(''app.workspace'', true) IN (''*'', workspace_id::text))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carillon_app', t);
  END LOOP;
END $$;
ALTER TABLE "workspaces" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "workspaces" FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON "workspaces" USING (current_setting('app.workspace', true) IN ('*', id::text));
GRANT SELECT, INSERT, UPDATE ON "workspaces" TO carillon_app;
-- History is append-only for the services.
REVOKE UPDATE, DELETE ON "delivery_events" FROM carillon_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO carillon_app;

-- Makes the day partitions from yesterday to `ahead` days from now. SECURITY DEFINER, because the app role owns nothing.
-- A new table is filled in and then attached: that locks the parent weakly, where CREATE … PARTITION OF would stop all
-- reading and writing.
CREATE FUNCTION ensure_partitions(ahead integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
  made integer := 0;
  today date := (now() AT TIME ZONE 'UTC')::date;
  d date;
  parent text;
  child text;
BEGIN
  IF ahead NOT BETWEEN 0 AND 60 THEN RAISE EXCEPTION 'ahead must be 0 to 60 days'; END IF;
  PERFORM pg_advisory_xact_lock(72707370);
  FOREACH parent IN ARRAY ARRAY['messages', 'deliveries', 'delivery_events', 'receipts'] LOOP
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
REVOKE ALL ON FUNCTION ensure_partitions(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_partitions(integer) TO carillon_app;
