-- How far everybody has been told to leave a journey that was stopped: a look of the clock asks no other about its people.
ALTER TABLE "journeys" ADD COLUMN "leaving" UUID;
UPDATE "journeys" SET "leaving" = '00000000-0000-0000-0000-000000000000' WHERE "state" = 'stopped';
