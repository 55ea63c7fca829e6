/**
 * The one kind of commit of a page: it writes what became of sub-batch k, and in the same transaction asks again whether
 * k+1 may go (run, workspace, accounts, suppressions, consents; the gate judges) and opens its window. So after a crash
 * only one sub-batch of a page is in doubt, and it says which. Fenced by the page's attempt.
 */
import { consentsOf, suppressionsOf } from '@carillon/audience-service';
import type { Capacity, ReasonName, Status } from '@carillon/contracts';
import { AT_HOME, kept, rowParameters, type Sql } from '@carillon/database';
import {
  gate,
  heldForComfort,
  ownFactsFor,
  ownRules,
  type Channel,
  type OwnFacts,
  type Room,
  type Verdict,
} from '@carillon/delivery-rules';
import {
  capacitiesFor,
  rivalsFor,
  lookAheadMs,
  rankOf,
  roomsOf,
  saveRooms,
  takeRoom,
  usableAccounts,
  TOMORROW_SPREAD_MS,
  type DomainPlaces,
  type Rivals,
  type SendingAccount,
  holdLists,
  mayBeUsed,
  take,
  wantedOf,
  type Held,
  type Lists,
} from '@carillon/delivery-service';
import type { Member, PageInHand } from './claim-page.js';
import type { WorkspaceSettings } from './claim.js';

/** A member that may go now. */
export interface Going {
  member: Member & { recipient: NonNullable<Member['recipient']> };
  targets: { address: string; attemptId: string }[];
}
/** A row for the log. */
export interface Logged {
  member: Pick<Member, 'id' | 'profileId'>;
  address: string | null;
  /** `sending`: the rest of the transaction, or the clock, says how it ends. */
  status: Extract<
    Status,
    'sending' | 'sent' | 'delivered' | 'failed' | 'suppressed' | 'expired' | 'scheduled'
  >;
  reason: ReasonName | null;
  afterMs: number | null;
  providerMessageId: string | null;
  /** Which rule of the gate stopped it, and why. */
  gateSaid?: string;
}
/** The window that a commit opened. */
export interface Window {
  /** On the database's clock. */
  openedAt: Date;
  /** How many of those who were asked for were judged. */
  asked: number;
  account: SendingAccount | null;
  going: Going[];
  gateVersion: number | null;
  settings: WorkspaceSettings;
  /** As they stood in that commit. */
  accounts: readonly SendingAccount[];
}

const LOCK_PAGE = kept(
  'lock-page',
  `SELECT clock_timestamp() AS now, r.state = 'running' AND ${AT_HOME} AS running, w.settings
     FROM pages p JOIN runs r ON r.workspace_id = $2 AND r.id = p.run_id JOIN workspaces w ON w.id = $2
    WHERE p.id = $1 AND p.workspace_id = $2 AND p.attempt = $3 AND p.state = 'working' FOR UPDATE OF p`,
);

/** The page as its owner may see it, locked. @throws when it is someone else's by now */
export async function lockPage(
  sql: Sql,
  page: PageInHand,
): Promise<{ now: Date; running: boolean; settings: WorkspaceSettings }> {
  const [head] = await sql.query<{ now: Date; running: boolean; settings: WorkspaceSettings }>(LOCK_PAGE, [
    page.id,
    page.workspaceId,
    page.attempt,
  ]);
  if (!head) throw takenByAnother(page);
  return head;
}

/** @param cause where it shows by rows that the other one has written */
export const takenByAnother = (page: PageInHand, cause?: unknown): Error =>
  new Error(`page ${page.id} was taken by another worker`, { cause });

/** What the gate needs to know of a sub-batch. */
export interface Facts {
  accounts: SendingAccount[];
  addressed: { member: Member; targets: Going['targets'] }[];
  suppressions: Awaited<ReturnType<typeof suppressionsOf>>;
  consents: Awaited<ReturnType<typeof consentsOf>>;
}

/** Asked in one breath, and in the breath of whoever asks. */
export async function factsOf(
  sql: Sql,
  channel: Channel,
  page: PageInHand,
  members: readonly Member[],
): Promise<Facts> {
  const addressed = members.map((member) => ({
    member,
    targets: member.recipient
      ? channel
          .addresses(member.recipient)
          .map(({ address, attemptId }) => ({ address, attemptId: attemptId ?? member.id }))
      : [],
  }));
  const addresses = addressed.flatMap(({ targets }) => targets.map((t) => t.address));
  const profileIds = members.map((m) => m.profileId);
  const [accounts, suppressions, consents] = await Promise.all([
    usableAccounts(sql, page.workspaceId, page.channel),
    suppressionsOf(sql, page.workspaceId, page.channel, addresses),
    consentsOf(sql, page.workspaceId, page.channel, { addresses, profileIds, topics: [page.topic] }),
  ]);
  return { accounts, addressed, suppressions, consents };
}

/**
 * Who of a sub-batch may go, and rows for those who may not.
 * @param account that they would go through; null when the workspace has none
 * @param domains places of receiving domains, held
 * @returns null when none may, because the account may not be used any more
 */
export function judgeMembers(
  page: PageInHand,
  head: { now: Date; settings: WorkspaceSettings },
  account: SendingAccount | null,
  { accounts, addressed, suppressions, consents }: Facts,
  held: Asked | null = null,
  late: Late = nothingLate,
  domains: DomainPlaces | null = null,
  random: () => number = Math.random,
): Judged | null {
  const still = accounts.find((a) => a.id === account?.id);
  if (account ? !still || !mayBeUsed(still) : accounts.length > 0) return null;
  const going: Going[] = [];
  const stopped: Logged[] = [];
  const ownFacts = ownFactsFor(head.settings);
  const rank = rankOf(page.options.priority, page.messageId);
  const lists: Lists = held?.lists ?? new Map();
  let waitMs: number | null = null;
  for (const { member, targets } of addressed) {
    const address = targets[0]?.address ?? null;
    const sent = lists.get(member.profileId);
    const more = { rank, rivals: late.rivals.get(member.profileId), rooms: late.rooms };
    const asked = held?.own.get(member.id);
    const own = asked
      ? Object.assign(asked, { sent: sent ?? [], ...more })
      : (ownFacts?.(askedAbout(page, member), sent, more) ?? null);
    // Field by field: copying what it holds takes longer.
    const said = consents(member.profileId, address, page.topic);
    const { verdict, trace } = gate({
      now: head.now,
      channel: page.channel,
      messageClass: page.messageClass,
      topic: page.topic,
      expiresAt: page.expiresAt,
      address,
      addressInvalid: false,
      profileGone: member.recipient === null,
      route: null,
      allowList: head.settings.allowList ?? null,
      suppression: address === null ? null : (suppressions.get(address) ?? null),
      transactionalIgnoresComplaints: head.settings.transactionalIgnoresComplaints === true,
      noConsentMeans: head.settings.noConsentMeans ?? 'in',
      accounts: account ? 'ready' : 'none',
      consents: said.consents,
      topicFacts: said.topicFacts,
      own,
    });
    // A page waits for a place as a page: from here on it is asked again.
    if (verdict.kind === 'wait' && verdict.reason === 'capacity') {
      waitMs = verdict.afterMs;
      break;
    }
    if (verdict.kind !== 'send')
      stopped.push(
        own
          ? { ...rowOf(member, address, verdict), gateSaid: trace.at(-1)! }
          : rowOf(member, address, verdict),
      );
    else if (domains && !domains.take(address)) {
      const afterMs = domains.waitMs + random() * TOMORROW_SPREAD_MS;
      stopped.push(rowOf(member, address, { kind: 'wait', reason: 'account_rate', afterMs }));
    } else if (isThere(member)) {
      going.push({ member, targets });
      if (!own?.test) takeRoom(late.rooms);
      const wanted = wantedOf(inPage(page, member.id), own);
      if (wanted) take(lists, wanted, head.now);
    }
  }
  const asked = going.length + stopped.length;
  return { going, stopped, gateVersion: head.settings.gate?.version ?? null, asked, waitMs };
}
interface Judged {
  going: Going[];
  stopped: Logged[];
  gateVersion: number | null;
  /** How many of them were judged: those after wait for a place of a capacity. */
  asked: number;
  waitMs: number | null;
}

/** What else is to come to the people of a sub-batch, and the places of capacities, held until the commit. */
export interface Late {
  rivals: Rivals;
  rooms: Room[];
  capacities: readonly Capacity[];
}
const nothingLate: Late = { rivals: new Map(), rooms: [], capacities: [] };

/** Nothing is read where the workspace does not look ahead and has no capacities. */
export async function lateFor(
  sql: Sql,
  page: PageInHand,
  { settings, now }: { now: Date; settings: WorkspaceSettings },
  members: readonly Member[],
): Promise<Late> {
  const rules = settings.gate ? ownRules(settings)?.rules : undefined;
  if (!rules || !heldForComfort(page, rules)) return nothingLate;
  const capacities = capacitiesFor(rules, page);
  const aheadMs = lookAheadMs(rules);
  if (capacities.length === 0 && aheadMs === 0) return nothingLate;
  const rank = rankOf(page.options.priority, page.messageId);
  const own = { workspaceZone: settings.timezone };
  const [rivals, rooms] = await Promise.all([
    rivalsFor(sql, page.workspaceId, {
      profileIds: members.map((m) => m.profileId),
      lowest: rank.priority,
      aheadMs,
      now,
    }),
    roomsOf(sql, page.workspaceId, capacities, own, now, true),
  ]);
  return { rivals, rooms: rooms(rank), capacities };
}

/** Writes the places that these took. */
export const savePlaces = (
  sql: Sql,
  page: PageInHand,
  { settings, now }: { now: Date; settings: WorkspaceSettings },
  { capacities }: Late,
  going: number,
): Promise<void> =>
  saveRooms(
    sql,
    page.workspaceId,
    capacities,
    new Map(capacities.map((c) => [c.key, going])),
    { workspaceZone: settings.timezone },
    now,
  );

/** Lists that are held, and what is known of each member: where somebody is, is found out once. */
interface Asked extends Held {
  own: ReadonlyMap<string, OwnFacts>;
}

/** Holds the lists of what these people were sent, until the commit; none where no cap counts. */
export async function listsFor(
  sql: Sql,
  page: PageInHand,
  head: { now: Date; settings: WorkspaceSettings },
  members: readonly Member[],
): Promise<Asked | null> {
  const ownFacts = head.settings.gate?.caps?.length ? ownFactsFor(head.settings) : null;
  if (!ownFacts) return null;
  const own = new Map(members.map((member) => [member.id, ownFacts(askedAbout(page, member), undefined)]));
  const wanted = members.flatMap(({ id }) => wantedOf(inPage(page, id), own.get(id) ?? null) ?? []);
  return wanted.length > 0 ? { ...(await holdLists(sql, page.workspaceId, wanted, head.now)), own } : null;
}

// Field by field: a page has twenty.
const askedAbout = ({ source }: PageInHand, { id, profileId, recipient }: Member) => ({
  id,
  profileId,
  recipient,
  source,
});
const inPage = ({ channel, messageClass, topic }: PageInHand, id: string) => ({
  id,
  channel,
  messageClass,
  topic,
});

const isThere = (member: Member): member is Going['member'] => member.recipient !== null;

const endOf = { suppress: 'suppressed', expire: 'expired', fail: 'failed', wait: 'scheduled' } as const;
const rowOf = (
  member: Member,
  address: string | null,
  verdict: Exclude<Verdict, { kind: 'send' }>,
): Logged => ({
  member,
  address,
  status: endOf[verdict.kind],
  reason: verdict.reason,
  afterMs: verdict.kind === 'wait' ? verdict.afterMs : null,
  providerMessageId: null,
});

const ROWS = rowParameters(16, {
  id: 'uuid',
  profile_id: 'uuid',
  address: 'text',
  status: 'text',
  reason: 'text',
  after_ms: 'float8',
  provider_message_id: 'text',
  gate_said: 'text',
});
const INSERT_ROWS = kept(
  'insert-rows-of-page',
  `INSERT INTO deliveries (day, id, workspace_id, message_id, profile_id, channel, class, lane, source, source_id, topic, template_id, template_version, expires_at,
                           address, status, reason, due_at, attempt, tries, handed_over_at, provider_account_id, provider, provider_message_id, gate_version, gate_said, created_at, sent_at, delivered_at)
   SELECT $1::date, u.id, $2::uuid, $3::uuid, u.profile_id, $4::text, $5::text, 'bulk', $6::text, $7::text, $8::text, $9::uuid, $10::int, $11::timestamptz,
          u.address, u.status, u.reason, CASE WHEN u.status IN ('sending', 'scheduled') THEN now() + coalesce(u.after_ms, 0) * interval '1 millisecond' END,
          1, CASE WHEN $12::timestamptz IS NULL THEN 0 ELSE 1 END, $12::timestamptz, $13::uuid, $14::text, u.provider_message_id, $15::int, u.gate_said,
          coalesce($12::timestamptz, now()), CASE WHEN u.status IN ('sent', 'delivered') THEN clock_timestamp() END, CASE WHEN u.status = 'delivered' THEN clock_timestamp() END
     FROM ${ROWS.text} AS u`,
);

/**
 * Writes rows of one page. Ids are places in the run: what is in the log already was written by someone else, and fails all of it.
 * @param left when and how they were handed over; null for those that nothing was handed over of
 */
export async function insertRows(
  sql: Sql,
  page: PageInHand,
  rows: readonly Logged[],
  left: { at: Date; account: { id: string; provider: string } | null } | null,
  gateVersion: number | null = null,
): Promise<void> {
  if (rows.length === 0) return;
  await sql.execute(INSERT_ROWS, [
    page.day,
    page.workspaceId,
    page.messageId,
    page.channel,
    page.messageClass,
    page.source,
    page.runId,
    page.topic,
    page.templateId,
    page.templateVersion,
    page.expiresAt,
    left?.at ?? null,
    left?.account?.id ?? null,
    left?.account?.provider ?? null,
    gateVersion,
    ...ROWS.params({
      id: rows.map((r) => r.member.id),
      profile_id: rows.map((r) => r.member.profileId),
      address: rows.map((r) => r.address),
      status: rows.map((r) => r.status),
      reason: rows.map((r) => r.reason),
      after_ms: rows.map((r) => r.afterMs),
      provider_message_id: rows.map((r) => r.providerMessageId),
      gate_said: rows.map((r) => r.gateSaid),
    }),
  ]);
}

// A lease that was renewed within the second stays as it is: then no index has to learn of the page's new version.
const SAVE_PAGE = kept(
  'save-page',
  `UPDATE pages SET state = $4, cursor = $5, mark = $6, counts = $7, crashes = 0, done_at = CASE WHEN $4 = 'done' THEN now() END,
          lease_until = CASE WHEN $4 <> 'working' THEN NULL WHEN lease_until > now() + make_interval(secs => $8 - 1) THEN lease_until ELSE now() + make_interval(secs => $8) END
    WHERE id = $1 AND workspace_id = $2 AND attempt = $3`,
);

/** Where the page stands now. `open`: back to be released, from where it is. */
export async function savePage(
  sql: Sql,
  page: PageInHand,
  to: { state: 'working' | 'open' | 'done'; cursor: number; mark: number; leaseSeconds: number },
): Promise<void> {
  await sql.execute(SAVE_PAGE, [
    page.id,
    page.workspaceId,
    page.attempt,
    to.state,
    to.cursor,
    to.mark,
    JSON.stringify(page.counts),
    to.leaseSeconds,
  ]);
}

/** Nothing of this run is released for a while. */
export const restRun = (sql: Sql, page: PageInHand, ms: number): Promise<number> =>
  sql.execute(
    `UPDATE runs SET next_release_at = now() + $3::float8 * interval '1 millisecond' WHERE workspace_id = $1 AND id = $2`,
    [page.workspaceId, page.runId, ms],
  );
