-- Who went which way is counted in one place, whoever counts: the engine, a merge of two profiles, the deletion of one. In one order,
-- so that two who count the same wait for each other instead of locking each other out.
CREATE FUNCTION count_ways(workspace uuid, journeys uuid[], versions integer[], steps text[], ways text[], counts bigint[])
RETURNS void LANGUAGE sql AS $$
  INSERT INTO journey_counts AS c (workspace_id, journey_id, version, step, way, count)
  SELECT workspace, u.journey_id, u.version, u.step, u.way, sum(u.n)
    FROM unnest(journeys, versions, steps, ways, counts) AS u(journey_id, version, step, way, n)
   GROUP BY 2, 3, 4, 5 ORDER BY 2, 3, 4, 5
  ON CONFLICT (workspace_id, journey_id, version, step, way) DO UPDATE SET count = c.count + excluded.count
$$;

CREATE OR REPLACE FUNCTION count_enrollments_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM count_ways(g.workspace_id, array_agg(g.journey_id), array_agg(g.version), array_agg(w.step), array_agg(w.way), array_agg(1::bigint))
     FROM gone g CROSS JOIN LATERAL (VALUES (coalesce(g.step, ''), 'erased'), ('', 'ended:erased')) AS w(step, way)
    WHERE g.state <> 'ended' AND (w.step <> '' OR w.way = 'ended:erased')
      AND EXISTS (SELECT FROM journeys j WHERE j.workspace_id = g.workspace_id AND j.id = g.journey_id)
    GROUP BY g.workspace_id ORDER BY g.workspace_id;
  RETURN NULL;
END $$;

-- Ways that have ended, until they are forgotten: what is kept of one after that has no step any more.
CREATE INDEX "enrollments_ended_at_idx" ON "enrollments"("ended_at") WHERE "ended_at" IS NOT NULL AND "step" IS NOT NULL;
