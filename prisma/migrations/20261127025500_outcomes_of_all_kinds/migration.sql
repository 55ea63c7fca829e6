-- Journeys may listen for all of these, and live audiences ask for them.
CREATE OR REPLACE FUNCTION collect_outcomes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO pending_outcomes (workspace_id, day, delivery_id, event_id)
  SELECT workspace_id, day, delivery_id, id FROM written
   WHERE type IN ('sent', 'delivered', 'failed', 'suppressed', 'unknown', 'opened', 'clicked', 'seen', 'read', 'replied', 'complained', 'unsubscribed');
  RETURN NULL;
END $$;
