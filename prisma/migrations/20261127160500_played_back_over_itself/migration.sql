-- A dump that is played back over the database it was taken from (pg_restore --clean) brings the name along, and there it is right.
-- What tells it is the table: a dump makes that anew. So the row holds the id of its table too; a claim looks whether it is that one.
ALTER TABLE "installation" ADD COLUMN "home" OID NOT NULL DEFAULT 0;
UPDATE "installation" SET "home" = tableoid;

CREATE OR REPLACE FUNCTION name_database() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
  here text := this_database((SELECT any_timeline FROM installation));
BEGIN
  PERFORM set_config('carillon.database', here, false);
  IF NOT pg_is_in_recovery()
     AND EXISTS (SELECT FROM installation WHERE ("database" <> here OR home <> tableoid) AND copied_at IS NULL) THEN
    UPDATE installation SET copied_at = now() WHERE copied_at IS NULL;
  END IF;
END $$;

CREATE OR REPLACE FUNCTION adopt_database(every_timeline boolean) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public AS $$
  INSERT INTO installation ("database", any_timeline, home)
  VALUES (this_database(every_timeline), every_timeline, to_regclass('installation')::oid)
  ON CONFLICT ("only") DO UPDATE
    SET "database" = excluded."database", any_timeline = excluded.any_timeline, home = excluded.home, copied_at = NULL
$$;
