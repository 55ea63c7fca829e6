-- When people open what they get, by the hour of the day; and campaigns that others begin as copies of.
ALTER TABLE "campaigns" ADD COLUMN "template" BOOLEAN NOT NULL DEFAULT false;

CREATE TABLE "open_hours" (
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "hours" INTEGER[],

    CONSTRAINT "open_hours_pkey" PRIMARY KEY ("workspace_id","profile_id")
);
ALTER TABLE "open_hours" ADD CONSTRAINT "open_hours_workspace_id_profile_id_fkey" FOREIGN KEY ("workspace_id", "profile_id") REFERENCES "profiles"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

ALTER TABLE "open_hours" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "open_hours" FORCE ROW LEVEL SECURITY;
CREATE POLICY workspace ON "open_hours" USING (current_setting('app.workspace', true) IN ('*', workspace_id::text));
GRANT SELECT, INSERT, UPDATE, DELETE ON "open_hours" TO carillon_app;
