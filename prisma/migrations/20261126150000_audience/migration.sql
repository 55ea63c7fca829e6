-- People under several names, what they did, and the audiences they are in. By hand: partitioning, the walls, functions.

-- AlterTable
ALTER TABLE "profiles" ADD COLUMN "phone_zone" TEXT;

-- CreateTable
CREATE TABLE "identities" (
    "workspace_id" UUID NOT NULL,
    "namespace" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    "profile_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "identities_pkey" PRIMARY KEY ("workspace_id","namespace","value")
);

-- CreateTable
CREATE TABLE "profile_merges" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "kept_id" UUID NOT NULL,
    "merged_id" UUID NOT NULL,
    "merged_external_id" TEXT NOT NULL,
    "rule" TEXT NOT NULL,
    "detail" JSONB NOT NULL DEFAULT '{}',
    "by" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "profile_merges_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "attribute_types" (
    "workspace_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "type" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "attribute_types_pkey" PRIMARY KEY ("workspace_id","name")
);

-- CreateTable
CREATE TABLE "profile_activity" (
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "events" INTEGER NOT NULL DEFAULT 0,
    "sent" INTEGER NOT NULL DEFAULT 0,
    "opened" INTEGER NOT NULL DEFAULT 0,
    "clicked" INTEGER NOT NULL DEFAULT 0,
    "first_seen_at" TIMESTAMPTZ(3),
    "last_seen_at" TIMESTAMPTZ(3),
    "last_sent_at" TIMESTAMPTZ(3),
    "last_opened_at" TIMESTAMPTZ(3),
    "last_clicked_at" TIMESTAMPTZ(3),

    CONSTRAINT "profile_activity_pkey" PRIMARY KEY ("workspace_id","profile_id")
);

-- CreateTable
CREATE TABLE "events" (
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "properties" JSONB NOT NULL DEFAULT '{}',
    "received_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "events_pkey" PRIMARY KEY ("workspace_id","profile_id","at","id")
) PARTITION BY RANGE ("at");

-- CreateTable
CREATE TABLE "event_keys" (
    "workspace_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "event_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "event_keys_pkey" PRIMARY KEY ("workspace_id","key")
);

-- CreateTable
CREATE TABLE "audiences" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "kind" TEXT NOT NULL,
    "definition" JSONB,
    "version" INTEGER NOT NULL DEFAULT 1,
    "mentions" TEXT[],
    "live" BOOLEAN NOT NULL DEFAULT false,
    "swept" BOOLEAN NOT NULL DEFAULT false,
    "last_seq" BIGINT NOT NULL DEFAULT 0,
    "size" INTEGER NOT NULL DEFAULT 0,
    "evaluated_at" TIMESTAMPTZ(3),
    "evaluation_ms" INTEGER,
    "problem" TEXT,
    "due_at" TIMESTAMPTZ(3),
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "archived_at" TIMESTAMPTZ(3),

    CONSTRAINT "audiences_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audience_members" (
    "workspace_id" UUID NOT NULL,
    "audience_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "seq" BIGINT NOT NULL,
    "since" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "audience_members_pkey" PRIMARY KEY ("workspace_id","audience_id","profile_id")
);

-- CreateTable
CREATE TABLE "audience_changes" (
    "workspace_id" UUID NOT NULL,
    "audience_id" UUID NOT NULL,
    "seq" BIGINT NOT NULL,
    "profile_id" UUID NOT NULL,
    "change" TEXT NOT NULL,
    "cause" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "audience_changes_pkey" PRIMARY KEY ("workspace_id","audience_id","seq")
);

-- CreateTable
CREATE TABLE "stale_profiles" (
    "id" BIGSERIAL NOT NULL,
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "mentions" TEXT[],
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "stale_profiles_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "identities_workspace_id_profile_id_idx" ON "identities"("workspace_id", "profile_id");

-- CreateIndex
CREATE INDEX "profile_merges_workspace_id_kept_id_idx" ON "profile_merges"("workspace_id", "kept_id");

-- CreateIndex
CREATE INDEX "events_workspace_id_name_at_profile_id_idx" ON "events"("workspace_id", "name", "at", "profile_id");

-- CreateIndex
CREATE INDEX "event_keys_created_at_idx" ON "event_keys" USING BRIN ("created_at");

-- CreateIndex
CREATE UNIQUE INDEX "audiences_workspace_id_key_key" ON "audiences"("workspace_id", "key");

-- CreateIndex
CREATE INDEX "audiences_due_at_idx" ON "audiences"("due_at") WHERE "due_at" IS NOT NULL;

-- CreateIndex
CREATE INDEX "audience_members_workspace_id_profile_id_idx" ON "audience_members"("workspace_id", "profile_id");

-- CreateIndex
CREATE INDEX "audience_members_workspace_id_audience_id_seq_idx" ON "audience_members"("workspace_id", "audience_id", "seq");

-- AddForeignKey
ALTER TABLE "identities" ADD CONSTRAINT "identities_workspace_id_profile_id_fkey" FOREIGN KEY ("workspace_id", "profile_id") REFERENCES "profiles"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- The walls.
ALTER TABLE "attribute_types" ADD CONSTRAINT "attribute_types_type" CHECK ("type" IN ('text', 'number', 'boolean', 'date', 'datetime', 'texts', 'numbers', 'json'));
ALTER TABLE "audiences" ADD CONSTRAINT "audiences_kind" CHECK ("kind" IN ('rule', 'list'));
ALTER TABLE "audiences" ADD CONSTRAINT "audiences_rule_has_definition" CHECK (("kind" = 'rule') = ("definition" IS NOT NULL));
ALTER TABLE "audience_changes" ADD CONSTRAINT "audience_changes_change" CHECK ("change" IN ('enter', 'leave'));
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['identities', 'profile_merges', 'attribute_types', 'profile_activity', 'events', 'event_keys',
    'audiences', 'audience_members', 'audience_changes', 'stale_profiles']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY workspace ON %I USING (current_setting(''app.workspace'', true) IN (''*'', workspace_id::text))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carillon_app', t);
  END LOOP;
END $$;
REVOKE UPDATE, DELETE ON "profile_merges" FROM carillon_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO carillon_app;

-- Makes the months of events from one day to another. SECURITY DEFINER, because the app role owns nothing.
CREATE FUNCTION ensure_event_months(first_day date, last_day date) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
DECLARE
  made integer := 0;
  m date := date_trunc('month', first_day)::date;
  child text;
BEGIN
  IF last_day - first_day NOT BETWEEN 0 AND 3700 OR last_day > (now() AT TIME ZONE 'UTC')::date + 62 THEN
    RAISE EXCEPTION 'events are kept from ten years ago to two months ahead';
  END IF;
  PERFORM pg_advisory_xact_lock(72707371);
  WHILE m <= last_day LOOP
    child := 'events_' || to_char(m, 'YYYYMM');
    IF to_regclass(child) IS NULL THEN
      EXECUTE format('CREATE TABLE %I (LIKE "events" INCLUDING ALL)', child);
      EXECUTE format('ALTER TABLE "events" ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', child,
        m::timestamp AT TIME ZONE 'UTC', (m + interval '1 month')::timestamp AT TIME ZONE 'UTC');
      made := made + 1;
    END IF;
    m := (m + interval '1 month')::date;
  END LOOP;
  RETURN made;
END $$;
REVOKE ALL ON FUNCTION ensure_event_months(date, date) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ensure_event_months(date, date) TO carillon_app;

-- Drops the months of events that ended more than `keep` days ago; gives how many.
CREATE FUNCTION drop_old_event_months(keep integer) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public SET lock_timeout = '250ms' AS $$
DECLARE
  gone integer := 0;
  child text;
BEGIN
  IF keep NOT BETWEEN 2 AND 36500 THEN RAISE EXCEPTION 'keep must be 2 to 36500 days'; END IF;
  PERFORM pg_advisory_xact_lock(72707371);
  FOR child IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'events'::regclass AND c.relname ~ '^events_[0-9]{6}$'
       AND to_date(right(c.relname, 6), 'YYYYMM') + interval '1 month' <= (now() AT TIME ZONE 'UTC')::date - keep
  LOOP
    EXECUTE format('DROP TABLE %I', child);
    gone := gone + 1;
  END LOOP;
  RETURN gone;
END $$;
REVOKE ALL ON FUNCTION drop_old_event_months(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_old_event_months(integer) TO carillon_app;

-- What belongs to a profile goes with it, whoever deletes it. No foreign keys: they would cost intake a look-up a row.
CREATE FUNCTION forget_profile() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM events e USING gone g WHERE e.workspace_id = g.workspace_id AND e.profile_id = g.id;
  DELETE FROM profile_activity a USING gone g WHERE a.workspace_id = g.workspace_id AND a.profile_id = g.id;
  DELETE FROM stale_profiles s USING gone g WHERE s.workspace_id = g.workspace_id AND s.profile_id = g.id;
  WITH left_now AS (
    DELETE FROM audience_members m USING gone g WHERE m.workspace_id = g.workspace_id AND m.profile_id = g.id
    RETURNING m.workspace_id, m.audience_id
  )
  UPDATE audiences a SET size = a.size - n.members
  FROM (SELECT workspace_id, audience_id, count(*)::integer AS members FROM left_now GROUP BY 1, 2) n
  WHERE a.workspace_id = n.workspace_id AND a.id = n.audience_id;
  DELETE FROM audience_changes c USING gone g WHERE c.workspace_id = g.workspace_id AND c.profile_id = g.id;
  RETURN NULL;
END $$;
CREATE TRIGGER forget_profile AFTER DELETE ON "profiles" REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION forget_profile();
