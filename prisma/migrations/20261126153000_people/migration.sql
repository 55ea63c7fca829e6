-- What became of messages reaches people's activity; whose name a merged profile's rows go on under.

-- AlterTable
ALTER TABLE "pages" ADD COLUMN "folded_at" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "pending_outcomes" (
    "id" BIGSERIAL NOT NULL,
    "workspace_id" UUID NOT NULL,
    "day" DATE NOT NULL,
    "delivery_id" UUID NOT NULL,
    "event_id" BIGINT NOT NULL,

    CONSTRAINT "pending_outcomes_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "pages_done_at_idx" ON "pages"("done_at") WHERE "done_at" IS NOT NULL AND "folded_at" IS NULL;

-- CreateIndex
CREATE INDEX "profile_merges_workspace_id_merged_id_idx" ON "profile_merges"("workspace_id", "merged_id");

-- CreateIndex
CREATE INDEX "audience_changes_workspace_id_profile_id_at_idx" ON "audience_changes"("workspace_id", "profile_id", "at");

ALTER TABLE "pending_outcomes" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "pending_outcomes" FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON "pending_outcomes" USING (current_setting('app.workspace', true) IN ('*', workspace_id::text));
GRANT SELECT, INSERT, UPDATE, DELETE ON "pending_outcomes" TO carillon_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO carillon_app;
-- Emptied as fast as it fills: dead rows must not pile up until a fifth of nothing is reached.
ALTER TABLE "pending_outcomes" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The lines of a timeline that say something about a person wait here for the audience service, once each. Written by the
-- statement that writes the line, whoever runs it (see collect_webhooks), so that none is lost and none counts twice.
CREATE FUNCTION collect_outcomes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pending_outcomes (workspace_id, day, delivery_id, event_id)
  SELECT workspace_id, day, delivery_id, id FROM written
   WHERE type IN ('sent', 'delivered', 'failed', 'opened', 'clicked', 'read', 'replied', 'complained', 'unsubscribed');
  RETURN NULL;
END $$;
CREATE TRIGGER outcomes AFTER INSERT ON "delivery_events" REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION collect_outcomes();
