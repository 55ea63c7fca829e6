-- Up to where the changes of an audience have been forgotten: who reads on from before is told, and misses nothing unawares.
ALTER TABLE "audiences" ADD COLUMN "forgotten_seq" BIGINT NOT NULL DEFAULT 0;
