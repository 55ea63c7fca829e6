-- Which variant won a run's test, when its outcomes were last counted, and which mailings wait for the winner.
ALTER TABLE "campaign_runs" ADD COLUMN "decision" JSONB, ADD COLUMN "judged_at" TIMESTAMPTZ(3);
ALTER TABLE "campaign_parts" ADD COLUMN "rest" BOOLEAN NOT NULL DEFAULT false;
