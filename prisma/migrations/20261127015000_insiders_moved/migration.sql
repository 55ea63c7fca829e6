-- People inside are being moved to another version: from which, to which, and which step stands for which.
ALTER TABLE "journeys" ADD COLUMN "moving" JSONB;
