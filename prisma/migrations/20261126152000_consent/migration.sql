-- Topics, the history of consent, soft bounces, blocks that outlive an erasure, and who did what. By hand: the walls.

-- A word that waits for its confirmation; who said it.
ALTER TABLE "consents" DROP CONSTRAINT "consents_word";
ALTER TABLE "consents" ADD CONSTRAINT "consents_word" CHECK ("word" IN ('in', 'out', 'pending'));
ALTER TABLE "consents" ADD COLUMN "by" TEXT;

-- CreateTable
CREATE TABLE "topics" (
    "workspace_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "parent" TEXT,
    "class" TEXT NOT NULL,
    "names" JSONB NOT NULL,
    "descriptions" JSONB NOT NULL DEFAULT '{}',
    "by_default" TEXT,
    "double_opt_in" JSONB,
    "position" INTEGER NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "archived_at" TIMESTAMPTZ(3),

    CONSTRAINT "topics_pkey" PRIMARY KEY ("workspace_id","key")
);

-- CreateTable
CREATE TABLE "consent_log" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "channel" TEXT NOT NULL,
    "address" TEXT NOT NULL DEFAULT '',
    "profile_id" UUID NOT NULL,
    "topic" TEXT NOT NULL DEFAULT '',
    "word" TEXT NOT NULL,
    "source" TEXT NOT NULL,
    "text_version" TEXT,
    "by" TEXT,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "consent_log_pkey" PRIMARY KEY ("workspace_id","id")
);

-- CreateTable
CREATE TABLE "soft_bounces" (
    "workspace_id" UUID NOT NULL,
    "channel" TEXT NOT NULL,
    "address" TEXT NOT NULL,
    "count" INTEGER NOT NULL DEFAULT 1,
    "last_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_delivery_id" UUID NOT NULL,

    CONSTRAINT "soft_bounces_pkey" PRIMARY KEY ("workspace_id","channel","address")
);

-- CreateTable
CREATE TABLE "erased_addresses" (
    "workspace_id" UUID NOT NULL,
    "channel" TEXT NOT NULL,
    "hash" BYTEA NOT NULL,
    "kind" TEXT NOT NULL,
    "says" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "erased_addresses_pkey" PRIMARY KEY ("workspace_id","channel","hash","kind","says")
);

-- CreateTable
CREATE TABLE "consent_confirmations" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "channel" TEXT NOT NULL,
    "address" TEXT NOT NULL DEFAULT '',
    "topic" TEXT NOT NULL,
    "template" TEXT NOT NULL,
    "due_at" TIMESTAMPTZ(3),
    "problem" TEXT,
    "confirmed_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "consent_confirmations_pkey" PRIMARY KEY ("workspace_id","id")
);

-- CreateTable
CREATE TABLE "audit_log" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "by" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "subject" TEXT NOT NULL,
    "detail" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "audit_log_pkey" PRIMARY KEY ("workspace_id","id")
);

-- CreateIndex
CREATE INDEX "consent_log_workspace_id_profile_id_idx" ON "consent_log"("workspace_id", "profile_id");

-- CreateIndex
CREATE INDEX "consent_confirmations_workspace_id_profile_id_idx" ON "consent_confirmations"("workspace_id", "profile_id");

-- CreateIndex
CREATE INDEX "consent_confirmations_due_at_idx" ON "consent_confirmations"("due_at") WHERE "due_at" IS NOT NULL;

-- CreateIndex
CREATE INDEX "consent_log_workspace_id_address_idx" ON "consent_log"("workspace_id", "address");

-- CreateIndex
CREATE INDEX "suppressions_workspace_id_created_at_idx" ON "suppressions"("workspace_id", "created_at");

-- The walls.
ALTER TABLE "topics" ADD CONSTRAINT "topics_class" CHECK ("class" IN ('marketing', 'transactional'));
ALTER TABLE "topics" ADD CONSTRAINT "topics_by_default" CHECK ("by_default" IN ('in', 'out'));
ALTER TABLE "topics" ADD CONSTRAINT "topics_key" CHECK ("key" NOT IN ('', 'marketing') AND "parent" IS DISTINCT FROM "key");
ALTER TABLE "consent_log" ADD CONSTRAINT "consent_log_word" CHECK ("word" IN ('in', 'out', 'pending'));
ALTER TABLE "erased_addresses" ADD CONSTRAINT "erased_addresses_kind" CHECK ("kind" IN ('suppression', 'topic'));
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['topics', 'consent_log', 'soft_bounces', 'erased_addresses', 'consent_confirmations',
    'audit_log']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY workspace ON %I USING (current_setting(''app.workspace'', true) IN (''*'', workspace_id::text))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carillon_app', t);
  END LOOP;
END $$;
-- History: written once. An erasure takes the person out of it by the function below, and by nothing else.
REVOKE UPDATE, DELETE ON "consent_log", "audit_log" FROM carillon_app;

-- The words of an erased person stay as numbers of a history, without address and person. Row-level security still holds
-- for whom it runs.
CREATE FUNCTION erase_consent_history(workspace uuid, profile uuid, addresses text[]) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public AS $$
DECLARE
  changed integer;
BEGIN
  IF current_setting('app.workspace', true) IS DISTINCT FROM workspace::text THEN
    RAISE EXCEPTION 'not the workspace of this transaction';
  END IF;
  UPDATE consent_log SET address = '', profile_id = '00000000-0000-0000-0000-000000000000', "by" = NULL
   WHERE workspace_id = workspace AND (profile_id = profile OR (address <> '' AND address = ANY(addresses)));
  GET DIAGNOSTICS changed = ROW_COUNT;
  RETURN changed;
END $$;
REVOKE ALL ON FUNCTION erase_consent_history(uuid, uuid, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_consent_history(uuid, uuid, text[]) TO carillon_app;
