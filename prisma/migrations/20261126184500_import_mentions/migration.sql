-- A large import does not ask live audiences about each of its people: they are evaluated as a whole at its end.

-- AlterTable
ALTER TABLE "imports" ADD COLUMN     "mentions" TEXT[] DEFAULT ARRAY[]::TEXT[];
