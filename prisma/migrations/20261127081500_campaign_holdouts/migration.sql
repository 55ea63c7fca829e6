-- Who is held out of a run, to measure it against: frozen among the members, under an id of its own. And how a campaign
-- was written, edit by edit: of those that are there, as they stand.
ALTER TABLE "campaign_runs" ADD COLUMN "held_id" UUID, ADD COLUMN "held" INTEGER NOT NULL DEFAULT 0;

-- A page with a time of its own has a deadline of its own.
ALTER TABLE "pages" ADD COLUMN "expires_at" TIMESTAMPTZ(3);

CREATE TABLE "campaign_edits" (
    "workspace_id" UUID NOT NULL,
    "campaign_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "name" TEXT NOT NULL,
    "definition" JSONB NOT NULL,
    "by" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "campaign_edits_pkey" PRIMARY KEY ("workspace_id","campaign_id","version")
);
INSERT INTO "campaign_edits" ("workspace_id", "campaign_id", "version", "name", "definition", "by", "at")
SELECT "workspace_id", "id", "version", "name", "definition", "created_by", "updated_at" FROM "campaigns";
ALTER TABLE "campaign_edits" ADD CONSTRAINT "campaign_edits_workspace_id_campaign_id_fkey" FOREIGN KEY ("workspace_id", "campaign_id") REFERENCES "campaigns"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "campaign_edits" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "campaign_edits" FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON "campaign_edits" USING (current_setting('app.workspace', true) IN ('*', workspace_id::text));
GRANT SELECT, INSERT, UPDATE, DELETE ON "campaign_edits" TO carillon_app;
