-- A quota for each of the first days of a provider account. A column that may be null and has no default changes no row.
ALTER TABLE "provider_accounts" ADD COLUMN "warm_up" JSONB;
