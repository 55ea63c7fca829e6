-- Addresses of mail are kept in small letters, so that who left as Ana@ is not written to as ana@. What was written stays beside it.
UPDATE "profiles" SET "email_original" = coalesce("email_original", "email"), "email" = lower("email") WHERE "email" <> lower("email");

-- The first reason stays.
INSERT INTO "suppressions" ("workspace_id", "channel", "address", "reason", "source", "created_at")
  SELECT "workspace_id", "channel", lower("address"), "reason", "source", "created_at" FROM "suppressions"
  WHERE "channel" = 'email' AND "address" <> lower("address") ORDER BY "created_at"
  ON CONFLICT DO NOTHING;
DELETE FROM "suppressions" WHERE "channel" = 'email' AND "address" <> lower("address");

-- An opt-out of either holds.
INSERT INTO "consents" AS c ("workspace_id", "channel", "address", "profile_id", "topic", "word", "source", "text_version", "by", "at")
  SELECT DISTINCT ON ("workspace_id", "channel", lower("address"), "profile_id", "topic")
    "workspace_id", "channel", lower("address"), "profile_id", "topic", "word", "source", "text_version", "by", "at" FROM "consents"
  WHERE "channel" = 'email' AND "address" <> lower("address")
  ORDER BY "workspace_id", "channel", lower("address"), "profile_id", "topic", ("word" = 'out') DESC, "at" DESC
  ON CONFLICT ("workspace_id", "channel", "address", "profile_id", "topic") DO UPDATE
    SET "word" = EXCLUDED."word", "source" = EXCLUDED."source", "text_version" = EXCLUDED."text_version", "by" = EXCLUDED."by", "at" = EXCLUDED."at"
    WHERE EXCLUDED."word" = 'out' AND c."word" <> 'out';
DELETE FROM "consents" WHERE "channel" = 'email' AND "address" <> lower("address");

-- Counted anew.
DELETE FROM "soft_bounces" WHERE "channel" = 'email' AND "address" <> lower("address");
