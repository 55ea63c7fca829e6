-- What the simulator played. Nothing in here was sent.
CREATE TABLE "journey_simulations" (
    "workspace_id" UUID NOT NULL,
    "id" UUID NOT NULL,
    "journey_id" UUID NOT NULL,
    "version" INTEGER,
    "definition" JSONB NOT NULL,
    "result" JSONB NOT NULL,
    "created_by" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "journey_simulations_pkey" PRIMARY KEY ("workspace_id","id")
);
CREATE INDEX "journey_simulations_workspace_id_journey_id_id_idx" ON "journey_simulations"("workspace_id", "journey_id", "id");

-- One person's way. Goes with the person.
CREATE TABLE "simulated_people" (
    "workspace_id" UUID NOT NULL,
    "simulation_id" UUID NOT NULL,
    "no" INTEGER NOT NULL,
    "profile_id" UUID NOT NULL,
    "outcome" TEXT,
    "steps" TEXT[],
    "shown" JSONB NOT NULL,
    "way" JSONB NOT NULL,

    CONSTRAINT "simulated_people_pkey" PRIMARY KEY ("workspace_id","simulation_id","no")
);
CREATE INDEX "simulated_people_workspace_id_profile_id_idx" ON "simulated_people"("workspace_id", "profile_id");

ALTER TABLE "journey_simulations" ADD CONSTRAINT "journey_simulations_workspace_id_journey_id_fkey" FOREIGN KEY ("workspace_id", "journey_id") REFERENCES "journeys"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "simulated_people" ADD CONSTRAINT "simulated_people_workspace_id_simulation_id_fkey" FOREIGN KEY ("workspace_id", "simulation_id") REFERENCES "journey_simulations"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;
ALTER TABLE "simulated_people" ADD CONSTRAINT "simulated_people_workspace_id_profile_id_fkey" FOREIGN KEY ("workspace_id", "profile_id") REFERENCES "profiles"("workspace_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['journey_simulations', 'simulated_people'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY workspace ON %I USING (workspace_id = coalesce((SELECT seen_workspace()), workspace_id))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO carillon_app', t);
  END LOOP;
END $$;
