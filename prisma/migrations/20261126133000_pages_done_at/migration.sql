-- When a page was done, for the rate of the bulk lane. A column without a default: no row is written.
ALTER TABLE "pages" ADD COLUMN "done_at" TIMESTAMPTZ(3);
