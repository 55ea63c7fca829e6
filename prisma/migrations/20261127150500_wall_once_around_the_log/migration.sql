-- The wall of 20261126192000_wall_once around what campaigns write and count by the row: the workspace is read once per statement
-- and compared as an id, where before each row's id was written out as text.
DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['messages', 'deliveries', 'delivery_events', 'run_members', 'counted_sends']
  LOOP
    EXECUTE format('ALTER POLICY workspace ON %I USING (workspace_id = coalesce((SELECT seen_workspace()), workspace_id))', t);
  END LOOP;
END $$;
