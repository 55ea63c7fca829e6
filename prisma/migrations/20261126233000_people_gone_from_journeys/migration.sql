-- Who is deleted with their profile while inside a journey has left it: what entered is still the sum of what is inside and what ended.
CREATE FUNCTION count_enrollments_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO journey_counts AS c (workspace_id, journey_id, version, step, way, count)
  SELECT g.workspace_id, g.journey_id, g.version, w.step, w.way, count(*)
    FROM gone g CROSS JOIN LATERAL (VALUES (coalesce(g.step, ''), 'erased'), ('', 'ended:erased')) AS w(step, way)
   WHERE g.state <> 'ended' AND (w.step <> '' OR w.way = 'ended:erased')
     AND EXISTS (SELECT FROM journeys j WHERE j.workspace_id = g.workspace_id AND j.id = g.journey_id)
   GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
  ON CONFLICT (workspace_id, journey_id, version, step, way) DO UPDATE SET count = c.count + excluded.count;
  RETURN NULL;
END $$;
CREATE TRIGGER gone AFTER DELETE ON "enrollments" REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION count_enrollments_gone();
