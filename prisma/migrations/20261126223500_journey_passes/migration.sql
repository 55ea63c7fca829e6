-- Who passed a step that lets so many pass within a time.
CREATE TABLE "journey_passes" (
    "workspace_id" UUID NOT NULL,
    "journey_id" UUID NOT NULL,
    "step" TEXT NOT NULL,
    "key" TEXT NOT NULL,
    "passed" TIMESTAMPTZ(3)[] NOT NULL,
    "kept_until" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "journey_passes_pkey" PRIMARY KEY ("workspace_id","journey_id","step","key")
);
CREATE INDEX "journey_passes_kept_until_idx" ON "journey_passes"("kept_until");
ALTER TABLE "journey_passes" ADD CONSTRAINT "journey_passes_workspace_id_journey_id_fkey" FOREIGN KEY ("workspace_id", "journey_id") REFERENCES "journeys"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "journey_passes" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "journey_passes" FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON "journey_passes" USING (workspace_id = coalesce((SELECT seen_workspace()), workspace_id));
GRANT SELECT, INSERT, UPDATE, DELETE ON "journey_passes" TO carillon_app;
