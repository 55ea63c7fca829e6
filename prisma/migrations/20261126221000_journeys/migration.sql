-- Journeys: documents with versions, who is inside, and what happened to them that a journey listens for.
CREATE TABLE "journeys" (
    "id" UUID NOT NULL,
    "workspace_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "state" TEXT NOT NULL DEFAULT 'draft',
    "draft" JSONB NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "version" INTEGER,
    "newest" INTEGER NOT NULL DEFAULT 0,
    "live_revision" INTEGER,
    "listens" TEXT[] NOT NULL DEFAULT '{}',
    "while_paused" TEXT,
    "reason" TEXT,
    "next_at" TIMESTAMPTZ(3),
    "created_by" TEXT NOT NULL,
    "author" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "live_at" TIMESTAMPTZ(3),

    CONSTRAINT "journeys_pkey" PRIMARY KEY ("workspace_id","id")
);
CREATE UNIQUE INDEX "journeys_workspace_id_key_key" ON "journeys"("workspace_id", "key");
ALTER TABLE "journeys" ADD CONSTRAINT "journeys_state" CHECK ("state" IN ('draft', 'live', 'paused', 'closed', 'stopped'));

CREATE TABLE "journey_versions" (
    "workspace_id" UUID NOT NULL,
    "journey_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "definition" JSONB NOT NULL,
    "note" TEXT NOT NULL DEFAULT '',
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "journey_versions_pkey" PRIMARY KEY ("workspace_id","journey_id","version")
);

CREATE TABLE "enrollments" (
    "workspace_id" UUID NOT NULL,
    "id" UUID NOT NULL,
    "journey_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "profile_id" UUID NOT NULL,
    "key" TEXT NOT NULL DEFAULT '',
    "instance" TEXT NOT NULL DEFAULT '',
    "state" TEXT NOT NULL DEFAULT 'inside',
    "step" TEXT,
    "phase" TEXT NOT NULL DEFAULT 'arrived',
    "no" INTEGER NOT NULL DEFAULT 0,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "since" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "step_due_at" TIMESTAMPTZ(3),
    "due_at" TIMESTAMPTZ(3),
    "leave_by" TIMESTAMPTZ(3) NOT NULL,
    "data" JSONB NOT NULL DEFAULT '{}',
    "outcome" TEXT,
    "reason" TEXT,
    "entered_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "ended_at" TIMESTAMPTZ(3),

    CONSTRAINT "enrollments_pkey" PRIMARY KEY ("workspace_id","id")
);
-- A person is inside once per journey and key: the database says so, whoever writes.
CREATE UNIQUE INDEX "enrollments_inside" ON "enrollments"("workspace_id", "profile_id", "journey_id", "instance") WHERE "state" <> 'ended';
-- Who was here before, for re-entry; and what goes with a profile.
CREATE INDEX "enrollments_workspace_id_profile_id_journey_id_key_idx" ON "enrollments"("workspace_id", "profile_id", "journey_id", "key");
-- The clock's: holds only what waits for a time.
CREATE INDEX "enrollments_due_at_idx" ON "enrollments"("due_at") WHERE "due_at" IS NOT NULL;
CREATE INDEX "enrollments_workspace_id_journey_id_step_id_idx" ON "enrollments"("workspace_id", "journey_id", "step", "id") WHERE "state" <> 'ended';
CREATE INDEX "enrollments_workspace_id_journey_id_id_idx" ON "enrollments"("workspace_id", "journey_id", "id");
ALTER TABLE "enrollments" ADD CONSTRAINT "enrollments_state" CHECK ("state" IN ('inside', 'held', 'parked', 'ended'));

-- What happened to them, step by step.
CREATE TABLE "enrollment_steps" (
    "workspace_id" UUID NOT NULL,
    "enrollment_id" UUID NOT NULL,
    "no" INTEGER NOT NULL,
    "step" TEXT NOT NULL,
    "kind" TEXT NOT NULL,
    "way" TEXT NOT NULL,
    "next" TEXT,
    "detail" JSONB NOT NULL DEFAULT '{}',
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "enrollment_steps_pkey" PRIMARY KEY ("workspace_id","enrollment_id","no")
);

-- Which enrollment a message belongs to: what becomes of it comes back as a signal.
CREATE TABLE "enrollment_messages" (
    "workspace_id" UUID NOT NULL,
    "message_id" UUID NOT NULL,
    "enrollment_id" UUID NOT NULL,
    "step" TEXT NOT NULL,

    CONSTRAINT "enrollment_messages_pkey" PRIMARY KEY ("workspace_id","message_id")
);
CREATE INDEX "enrollment_messages_workspace_id_enrollment_id_idx" ON "enrollment_messages"("workspace_id", "enrollment_id");

-- How many went which way: written with what it counts.
CREATE TABLE "journey_counts" (
    "workspace_id" UUID NOT NULL,
    "journey_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "step" TEXT NOT NULL,
    "way" TEXT NOT NULL,
    "count" BIGINT NOT NULL DEFAULT 0,

    CONSTRAINT "journey_counts_pkey" PRIMARY KEY ("workspace_id","journey_id","version","step","way")
);

-- Who did not enter, and why: for a month.
CREATE TABLE "journey_refusals" (
    "id" BIGSERIAL NOT NULL,
    "workspace_id" UUID NOT NULL,
    "journey_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "reason" TEXT NOT NULL,
    "ref" TEXT NOT NULL DEFAULT '',
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "journey_refusals_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "journey_refusals_workspace_id_profile_id_idx" ON "journey_refusals"("workspace_id", "profile_id");
CREATE INDEX "journey_refusals_at_idx" ON "journey_refusals"("at");

-- What happened to people that some journey listens for, until the engine has taken it.
CREATE TABLE "journey_signals" (
    "id" BIGSERIAL NOT NULL,
    "workspace_id" UUID NOT NULL,
    "profile_id" UUID NOT NULL,
    "journey_id" UUID,
    "kind" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "ref" TEXT NOT NULL,
    "payload" JSONB NOT NULL DEFAULT '{}',
    "held" BOOLEAN NOT NULL DEFAULT false,
    "tries" INTEGER NOT NULL DEFAULT 0,
    "at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "journey_signals_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "journey_signals_workspace_id_id_idx" ON "journey_signals"("workspace_id", "id") WHERE NOT "held";
CREATE INDEX "journey_signals_workspace_id_profile_id_idx" ON "journey_signals"("workspace_id", "profile_id");
-- Emptied as fast as they fill: dead rows must not pile up until a fifth of nothing is reached.
ALTER TABLE "journey_signals" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE "journey_counts" SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

ALTER TABLE "journey_versions" ADD CONSTRAINT "journey_versions_workspace_id_journey_id_fkey" FOREIGN KEY ("workspace_id", "journey_id") REFERENCES "journeys"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "enrollments" ADD CONSTRAINT "enrollments_workspace_id_journey_id_fkey" FOREIGN KEY ("workspace_id", "journey_id") REFERENCES "journeys"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "enrollments" ADD CONSTRAINT "enrollments_workspace_id_profile_id_fkey" FOREIGN KEY ("workspace_id", "profile_id") REFERENCES "profiles"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "enrollment_steps" ADD CONSTRAINT "enrollment_steps_workspace_id_enrollment_id_fkey" FOREIGN KEY ("workspace_id", "enrollment_id") REFERENCES "enrollments"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "enrollment_messages" ADD CONSTRAINT "enrollment_messages_workspace_id_enrollment_id_fkey" FOREIGN KEY ("workspace_id", "enrollment_id") REFERENCES "enrollments"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "journey_counts" ADD CONSTRAINT "journey_counts_workspace_id_journey_id_fkey" FOREIGN KEY ("workspace_id", "journey_id") REFERENCES "journeys"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "journey_refusals" ADD CONSTRAINT "journey_refusals_workspace_id_profile_id_fkey" FOREIGN KEY ("workspace_id", "profile_id") REFERENCES "profiles"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "journey_signals" ADD CONSTRAINT "journey_signals_workspace_id_profile_id_fkey" FOREIGN KEY ("workspace_id", "profile_id") REFERENCES "profiles"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['journeys', 'journey_versions', 'enrollments', 'enrollment_steps', 'enrollment_messages', 'journey_counts', 'journey_refusals', 'journey_signals'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY workspace ON %I USING (workspace_id = coalesce((SELECT seen_workspace()), workspace_id))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carillon_app', t);
  END LOOP;
END $$;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO carillon_app;

-- Signals are written by the statement that writes what they tell, whoever runs it (see collect_outcomes): none is lost and
-- none counts twice. Where no journey listens this is one look. What is told a day late or more is history: it starts nothing.
CREATE FUNCTION collect_journey_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM journeys WHERE listens <> '{}') THEN
    RETURN NULL;
  END IF;
  INSERT INTO journey_signals (workspace_id, profile_id, kind, name, ref, payload, at)
  SELECT e.workspace_id, e.profile_id, 'event', e.name, e.id::text, e.properties, e.at FROM written e
   WHERE e.at > now() - interval '1 day'
     AND EXISTS (SELECT FROM journeys j WHERE j.workspace_id = e.workspace_id AND j.listens @> ARRAY['event:' || e.name])
   ORDER BY e.at, e.id;
  RETURN NULL;
END $$;
CREATE TRIGGER journeys AFTER INSERT ON "events" REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION collect_journey_events();

CREATE FUNCTION collect_journey_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM journeys WHERE listens <> '{}') THEN
    RETURN NULL;
  END IF;
  INSERT INTO journey_signals (workspace_id, profile_id, kind, name, ref, payload, at)
  SELECT c.workspace_id, c.profile_id, 'audience', a.key, c.audience_id || ':' || c.seq, jsonb_build_object('change', c.change), c.at
    FROM written c
    JOIN audiences a ON a.workspace_id = c.workspace_id AND a.id = c.audience_id
    JOIN profiles p ON p.workspace_id = c.workspace_id AND p.id = c.profile_id
   WHERE EXISTS (SELECT FROM journeys j WHERE j.workspace_id = c.workspace_id AND j.listens @> ARRAY['audience:' || a.key])
   ORDER BY c.audience_id, c.seq;
  RETURN NULL;
END $$;
CREATE TRIGGER journeys AFTER INSERT ON "audience_changes" REFERENCING NEW TABLE AS written
  FOR EACH STATEMENT EXECUTE FUNCTION collect_journey_changes();
