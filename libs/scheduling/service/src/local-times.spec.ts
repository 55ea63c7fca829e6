/**
 * Times on the wall against the clock itself: in every zone of the IANA database, around every change of its clocks from
 * 2026 to 2030. The oracle asks what the clock there shows at each quarter of an hour that could be meant, and shares no
 * code with what it judges: the database's own reading for campaigns, and the rules' for what recurs.
 */
import { knownZones } from '@carillon/audience-service';
import { CampaignDefinition } from '@carillon/contracts';
import { Database, newId } from '@carillon/database';
import { instantOf, nextOccurrence } from '@carillon/scheduling-rules';
import { freshDatabase, type FreshDatabase } from '@carillon/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { membersOf } from './campaign-audience.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const FROM = Date.UTC(2026, 0, 1);
const UNTIL = Date.UTC(2031, 0, 1);
const QUARTERS = Array.from({ length: 117 }, (_, n) => (n - 58) * 15 * MINUTE);

let fresh: FreshDatabase;
let owner: pg.Client;
let database: Database;
const workspaceId = newId();
const profiles = new Map<string, string>();
let changes: Change[];

interface Change {
  zone: string;
  at: number;
  before: number;
  after: number;
}
/** What the clock of a zone shows, as milliseconds of a UTC that shows the same. */
function clockOf(zone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone: zone,
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  return (at) => Date.parse(`${format.format(at).replace(' ', 'T')}Z`);
}
/** Looks at noon of every day, and between two that differ at every minute it takes. */
function changesOf(zone: string): Change[] {
  const clock = clockOf(zone);
  const offset = (at: number) => clock(at) - at;
  const found: Change[] = [];
  let before = offset(FROM);
  for (let day = FROM + DAY; day <= UNTIL; day += DAY) {
    const after = offset(day);
    if (after === before) continue;
    let [low, high] = [day - DAY, day];
    while (high - low > MINUTE) {
      const middle = low + Math.floor((high - low) / 2 / MINUTE) * MINUTE;
      if (offset(middle) === before) low = middle;
      else high = middle;
    }
    found.push({ zone, at: high, before, after });
    before = after;
  }
  return found;
}
/** Times of the wall that are worth asking for around a change, on its days: before, inside and behind it. */
const wallsAt = ({ at, before, after }: Change): number[] => {
  const edges = [at + before, at + after];
  return [...new Set([-15, 0, 30].flatMap((minutes) => edges.map((edge) => edge + minutes * MINUTE)))];
};
/** Every instant at which the clock shows it; none where it is skipped. Zones that change alike are asked once. */
function meant({ zone, at, before, after }: Change, wall: number): number[] {
  const key = [at, before, after, wall].join();
  const known = answers.get(key);
  if (known) return known;
  const clock = clockOf(zone);
  const found = QUARTERS.map((quarter) => wall - quarter)
    .filter((instant) => clock(instant) === wall)
    .sort((a, b) => a - b);
  answers.set(key, found);
  return found;
}
const answers = new Map<string, number[]>();

beforeAll(async () => {
  fresh = await freshDatabase();
  owner = new pg.Client({ connectionString: fresh.ownerUrl });
  await owner.connect();
  database = new Database({ url: fresh.appUrl, max: 2 });
  await owner.query(`INSERT INTO workspaces (id, slug, name) VALUES ($1, 'w', 'W')`, [workspaceId]);
  const known = await database.inWorkspace(workspaceId, (sql) => knownZones(sql));
  const zones = Intl.supportedValuesOf('timeZone').filter((zone) => known.has(zone));
  expect(zones.length).toBeGreaterThan(300);
  const all = zones.flatMap(changesOf);
  // What a state has decided lately one of the two databases may not know yet: such a zone is left out.
  const { rows } = await owner.query<{ before: Date; after: Date }>(
    `SELECT (to_timestamp(u.at) - interval '1 minute') AT TIME ZONE u.zone AT TIME ZONE 'UTC' AS before, to_timestamp(u.at) AT TIME ZONE u.zone AT TIME ZONE 'UTC' AS after
       FROM unnest($1::text[], $2::float8[]) WITH ORDINALITY AS u(zone, at, n) ORDER BY n`,
    [all.map((c) => c.zone), all.map((c) => c.at / 1000)],
  );
  const apart = new Set(
    all.flatMap(({ zone, at, before, after }, n) =>
      rows[n]!.before.getTime() === at - MINUTE + before && rows[n]!.after.getTime() === at + after
        ? []
        : [zone],
    ),
  );
  expect(apart.size).toBeLessThan(20);
  changes = all.filter(({ zone }) => !apart.has(zone));
  expect(changes.length).toBeGreaterThan(800);
  for (const { zone } of changes) if (!profiles.has(zone)) profiles.set(zone, newId());
  await owner.query(
    `INSERT INTO profiles (id, workspace_id, external_id, timezone) SELECT u.id, $1, u.zone, u.zone FROM unnest($2::uuid[], $3::text[]) AS u(id, zone)`,
    [workspaceId, [...profiles.values()], [...profiles.keys()]],
  );
}, 240_000);
afterAll(async () => {
  await database.close();
  await owner.end();
  await fresh.drop();
});

describe('times on the wall, wherever and whenever clocks change', () => {
  it('are those of a campaign at each person’s own time: skipped ones as if they had not changed, of two the later', async () => {
    const asked = new Map<string, { wall: number; of: Change[] }>();
    for (const change of changes)
      for (const wall of wallsAt(change)) {
        const key = new Date(wall).toISOString().slice(0, 16);
        const one = asked.get(key) ?? { wall, of: [] };
        one.of.push(change);
        asked.set(key, one);
      }
    const wrong: unknown[] = [];
    const zoneOf = new Map([...profiles].map(([zone, id]) => [id, zone]));
    await database.inWorkspace(workspaceId, async (sql) => {
      for (const [key, { wall, of }] of asked) {
        const definition = CampaignDefinition.parse({
          audience: 'x',
          channels: ['email'],
          template: 'x',
          start: { kind: 'local', date: key.slice(0, 10), time: key.slice(11) },
        });
        const people = {
          text: 'SELECT unnest($1::uuid[]) AS profile_id',
          params: [of.map(({ zone }) => profiles.get(zone)!)],
        };
        const query = await membersOf(sql, workspaceId, definition, people, {
          salt: 'x',
          slice: { variant: null, test: null },
          startsAt: new Date(0),
        });
        const rows = await sql.query<{ profile_id: string; at: Date }>(query.text, query.params);
        expect(rows).toHaveLength(of.length);
        for (const { profile_id: id, at } of rows) {
          const zone = zoneOf.get(id)!;
          const change = of.find((c) => c.zone === zone)!;
          const expected = meant(change, wall).at(-1) ?? wall - change.before;
          if (at.getTime() !== expected) wrong.push({ zone, key, at, expected: new Date(expected) });
        }
      }
    });
    expect(wrong.slice(0, 5)).toEqual([]);
  }, 240_000);

  it('are those of what recurs: skipped ones as if they had not changed, of two the first', () => {
    const wrong: unknown[] = [];
    for (const change of changes) {
      for (const wall of wallsAt(change)) {
        const expected = meant(change, wall)[0] ?? wall - change.before;
        const at = instantOf(wall, change.zone);
        if (at !== expected)
          wrong.push({
            zone: change.zone,
            wall: new Date(wall),
            at: new Date(at),
            expected: new Date(expected),
          });
      }
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  }, 240_000);

  it('are those of rules and of cron, on that day and the next', () => {
    const wrong: unknown[] = [];
    const seen = new Set<string>();
    for (const change of changes)
      for (const wall of wallsAt(change)) {
        // Zones that change alike are asked once.
        const key = [change.at, change.before, change.after, wall].join();
        if (seen.has(key)) continue;
        seen.add(key);
        // Each third: rules are slow to be read, and the clock itself was asked of all above.
        if (seen.size % 3 !== 0) continue;
        const instant = (asked: number, otherwise: number) => meant(change, asked)[0] ?? asked - otherwise;
        const that = instant(wall, change.before);
        const next = instant(
          wall + DAY,
          wall + DAY < change.at + change.before ? change.before : change.after,
        );
        const [date, time] = new Date(wall - 3 * DAY).toISOString().slice(0, 16).split('T');
        const [hour, minute] = time!.split(':').map(Number);
        for (const rule of ['FREQ=DAILY', `${minute} ${hour} * * *`]) {
          const recurrence = { rule, from: `${date}T${time}`, zone: change.zone };
          const found = [that - 1, that].map((after) =>
            nextOccurrence(recurrence, new Date(after))?.getTime(),
          );
          if (found[0] !== that || found[1] !== next)
            wrong.push({ ...recurrence, wall: new Date(wall), found, expected: [that, next] });
        }
      }
    expect(seen.size).toBeGreaterThan(500);
    expect(wrong.slice(0, 5)).toEqual([]);
  }, 240_000);
});
