-- What is kept of what happened: for a journey that is paused, and what could not be taken. Hardly any in an ordinary day.
CREATE INDEX "journey_signals_held" ON "journey_signals"("workspace_id", "journey_id") WHERE "held";
CREATE INDEX "journey_signals_parked" ON "journey_signals"("workspace_id", "id") WHERE "held" AND "payload" ? 'problem';
