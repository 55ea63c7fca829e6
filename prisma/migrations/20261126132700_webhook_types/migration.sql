-- Webhooks tell of what they name, and of nothing that joins the timeline later without being named here too: the list
-- `webhookTypes` of libs/contracts/src/lists.ts. Decisions of people and re-drives join it.
CREATE OR REPLACE FUNCTION collect_webhooks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM webhook_endpoints WHERE enabled) THEN
    RETURN NULL;
  END IF;
  INSERT INTO webhook_messages (endpoint_id, event_id, workspace_id, type, happened_at)
  SELECT w.id, e.delivery_id || ':' || e.id, e.workspace_id, 'delivery.' || e.type, e.at
    FROM written e JOIN webhook_endpoints w ON w.workspace_id = e.workspace_id
   WHERE w.enabled
     AND e.type IN ('accepted', 'rescheduled', 'deferred', 'sent', 'delivered', 'failed', 'suppressed', 'cancelled', 'expired', 'unknown',
                    'resolved', 'redriven', 'opened', 'clicked', 'seen', 'read', 'archived', 'replied', 'complained', 'unsubscribed')
     AND (w.types = '{}' OR 'delivery.' || e.type = ANY (w.types));
  RETURN NULL;
END $$;
