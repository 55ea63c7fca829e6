-- Dropping old days, erasing what a message said, and inbox items that go with their profile.
ALTER TABLE "messages" ADD COLUMN "erased_at" TIMESTAMPTZ(3);

-- Drops the oldest day of the log that is past `keep` days: all four tables, or none. A day that still holds a waiting
-- delivery stays. Waits a quarter of a second for its locks, because everybody queues behind it meanwhile; the caller
-- tries again later. SECURITY DEFINER, because the app role owns nothing. Gives the day, or null when there is nothing to do.
CREATE FUNCTION drop_oldest_day(keep integer) RETURNS date LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public SET lock_timeout = '250ms' AS $$
DECLARE
  border date := (now() AT TIME ZONE 'UTC')::date - keep;
  child text;
  oldest date;
  waits boolean;
  parent text;
BEGIN
  IF keep NOT BETWEEN 2 AND 36500 THEN RAISE EXCEPTION 'keep must be 2 to 36500 days'; END IF;
  PERFORM pg_advisory_xact_lock(72707370);
  FOR oldest IN
    SELECT DISTINCT to_date(right(c.relname, 8), 'YYYYMMDD') AS day
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
     WHERE p.relnamespace = 'public'::regnamespace AND p.relname IN ('messages', 'deliveries', 'delivery_events', 'receipts')
       AND c.relname ~ ('^' || p.relname || '_[0-9]{8}$') AND to_date(right(c.relname, 8), 'YYYYMMDD') < border
     ORDER BY day
  LOOP
    child := 'deliveries_' || to_char(oldest, 'YYYYMMDD');
    waits := false;
    IF to_regclass(child) IS NOT NULL THEN
      -- A partition asked by its own name has no policy of its own.
      EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE due_at IS NOT NULL)', child) INTO waits;
    END IF;
    CONTINUE WHEN waits;
    FOREACH parent IN ARRAY ARRAY['receipts', 'delivery_events', 'deliveries', 'messages'] LOOP
      EXECUTE format('DROP TABLE IF EXISTS %I', parent || '_' || to_char(oldest, 'YYYYMMDD'));
    END LOOP;
    RETURN oldest;
  END LOOP;
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION drop_oldest_day(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_oldest_day(integer) TO carillon_app;

-- The timeline is append-only for the app role; this is the one change it may ask for: what a line quotes goes, the line
-- stays. Row-level security still holds for whom it runs.
CREATE FUNCTION erase_event_details(workspace uuid, of_day date, deliveries uuid[]) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public AS $$
DECLARE
  changed integer;
BEGIN
  IF current_setting('app.workspace', true) IS DISTINCT FROM workspace::text THEN
    RAISE EXCEPTION 'not the workspace of this transaction';
  END IF;
  UPDATE delivery_events SET detail = NULL
   WHERE day = of_day AND delivery_id = ANY(deliveries) AND workspace_id = workspace AND detail IS NOT NULL;
  GET DIAGNOSTICS changed = ROW_COUNT;
  RETURN changed;
END $$;
REVOKE ALL ON FUNCTION erase_event_details(uuid, date, uuid[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_event_details(uuid, date, uuid[]) TO carillon_app;

-- A profile that goes takes its inbox along, whoever deletes it.
CREATE FUNCTION forget_inbox() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM inbox_items i USING gone g WHERE i.workspace_id = g.workspace_id AND i.profile_id = g.id;
  DELETE FROM inbox_feeds f USING gone g WHERE f.workspace_id = g.workspace_id AND f.profile_id = g.id;
  RETURN NULL;
END $$;
CREATE TRIGGER forget_inbox AFTER DELETE ON "profiles" REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION forget_inbox();
