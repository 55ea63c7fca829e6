-- Which database this is. A backup that is restored, a dump loaded elsewhere and a clone carry the name of the database they were
-- taken from; nothing leaves from them until a person adopts them (libs/database/src/installation.ts).
CREATE TABLE "installation" (
    "only" BOOLEAN NOT NULL DEFAULT true,
    "database" TEXT NOT NULL,
    "any_timeline" BOOLEAN NOT NULL DEFAULT false,
    "copied_at" TIMESTAMPTZ(3),

    CONSTRAINT "installation_pkey" PRIMARY KEY ("only"),
    CONSTRAINT "installation_only" CHECK ("only")
);
-- Not of a workspace: everybody may read it, and only the functions below write.
ALTER TABLE "installation" ENABLE ROW LEVEL SECURITY;
ALTER TABLE "installation" FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody ON "installation" USING (true) WITH CHECK (true);
GRANT SELECT ON "installation" TO carillon_app;

-- Cluster, database and timeline. The last changes when a standby takes over or a backup is rolled forward, and may have lost commits
-- then, hand-over marks among them. SECURITY DEFINER, because some installations keep these functions from ordinary roles.
CREATE FUNCTION this_database(any_timeline boolean) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
  SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
         || CASE WHEN any_timeline OR pg_is_in_recovery() THEN '' ELSE '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) END
$$;

-- Tells a new connection where it is, and remembers when a copy was first used.
CREATE FUNCTION name_database() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
  here text := this_database((SELECT any_timeline FROM installation));
BEGIN
  PERFORM set_config('carillon.database', here, false);
  IF NOT pg_is_in_recovery() AND EXISTS (SELECT FROM installation WHERE "database" <> here AND copied_at IS NULL) THEN
    UPDATE installation SET copied_at = now() WHERE copied_at IS NULL;
  END IF;
END $$;

CREATE FUNCTION adopt_database(every_timeline boolean) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$
  INSERT INTO installation ("database", any_timeline) VALUES (this_database(every_timeline), every_timeline)
  ON CONFLICT ("only") DO UPDATE SET "database" = excluded."database", any_timeline = excluded.any_timeline, copied_at = NULL
$$;

REVOKE ALL ON FUNCTION this_database(boolean), name_database(), adopt_database(boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION this_database(boolean), name_database(), adopt_database(boolean) TO carillon_app;

SELECT adopt_database(false);
