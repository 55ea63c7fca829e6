-- Reading the country of a phone number costs more than all rules of the gate, so it is kept with the number.
ALTER TABLE "profiles" ADD COLUMN "phone_country" TEXT;
