-- The record of a merge is append-only for the services; an erasure takes the person out of it, by this and by nothing else.
CREATE FUNCTION erase_merges(workspace uuid, profile uuid) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public AS $$
DECLARE
  changed integer;
BEGIN
  IF current_setting('app.workspace', true) IS DISTINCT FROM workspace::text THEN
    RAISE EXCEPTION 'not the workspace of this transaction';
  END IF;
  UPDATE profile_merges SET merged_external_id = '', detail = '{}'
   WHERE workspace_id = workspace AND (kept_id = profile OR merged_id = profile);
  GET DIAGNOSTICS changed = ROW_COUNT;
  RETURN changed;
END $$;
REVOKE ALL ON FUNCTION erase_merges(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION erase_merges(uuid, uuid) TO carillon_app;
