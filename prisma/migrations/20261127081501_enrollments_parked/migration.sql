-- no transaction
CREATE INDEX CONCURRENTLY "enrollments_parked" ON "enrollments"("workspace_id", "id") WHERE "state" = 'parked';
