-- People of a file join a list: how many entered it.

-- AlterTable
ALTER TABLE "imports" ADD COLUMN     "joined" BIGINT NOT NULL DEFAULT 0;
