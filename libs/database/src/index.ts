/** PostgreSQL for every service: transactions bound to a workspace, ids, partitions. The schema stands in prisma/. */
export { Database, type DatabaseOptions, type PrismaTx, type Sql } from './database.js';
export { DatabaseModule } from './database.module.js';
export { clockSkewMs, durabilityFaults, MOST_SKEW_MS } from './durability.js';
export { AT_HOME, copiedAt, copySentence } from './installation.js';
export { GroupCommit } from './group-commit.js';
export { dayOf, idInSeries, newId, newSeries, placeInSeries, timeOf } from './ids.js';
export { kept, keptByDay, type Kept } from './kept.js';
export { Listening, type Heard } from './listening.js';
export { ensurePartitions, isMissingPartition, PARTITIONS_AHEAD_DAYS } from './partitions.js';
export { isAway, onceThere } from './once-there.js';
export { literal, rowParameters, texts, uuids, type RowParameters } from './rows.js';
