-- An audience that a schedule lets into a journey is told in slices: how far that has come.
ALTER TABLE "journeys" ADD COLUMN "entering" JSONB;
