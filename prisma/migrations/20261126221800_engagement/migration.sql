-- Opens and clicks of emails by who it was, and mails that came to a return address and could not be read.
CREATE TABLE "engagements" (
    "day" DATE NOT NULL,
    "delivery_id" UUID NOT NULL,
    "kind" TEXT NOT NULL,
    "link" TEXT NOT NULL DEFAULT '',
    "by" TEXT NOT NULL,
    "workspace_id" UUID NOT NULL,
    "count" INTEGER NOT NULL,
    "first_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "last_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "engagements_pkey" PRIMARY KEY ("day","delivery_id","kind","link","by")
);
-- Opened again, a row is counted up where it lies.
ALTER TABLE "engagements" SET (fillfactor = 80);

CREATE TABLE "unread_bounces" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "provider_account_id" UUID NOT NULL,
    "why" TEXT NOT NULL,
    "head" TEXT NOT NULL,
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "unread_bounces_pkey" PRIMARY KEY ("workspace_id","id")
);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['engagements', 'unread_bounces'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY workspace ON %I USING (workspace_id = coalesce((SELECT seen_workspace()), workspace_id))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carillon_app', t);
  END LOOP;
END $$;
