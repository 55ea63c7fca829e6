/**
 * What the gate would say to a message that nobody sends: the same facts and rules as at a claim, read and never written.
 * Every rule is asked, also behind one that objects.
 */
import {
  consentsOf,
  idsByExternalId,
  presentNames,
  recipientsByIds,
  suppressionsOf,
} from '@carillon/audience-service';
import type { GateRules, GateTried, GateTry } from '@carillon/contracts';
import { newId, type Sql } from '@carillon/database';
import {
  gateInFull,
  NOT_BEGUN,
  ownFactsFor,
  ownRules,
  whereIs,
  type GateSettings,
  type Verdict,
} from '@carillon/delivery-rules';
import { channelShapes } from './channels.js';
import { sentLately, wantedOf } from './counted-sends.js';
import { withZones } from './gate-rules.js';
import { lateFactsFor } from './late-facts.js';
import { stateOf, usableAccounts } from './sending-accounts.js';

interface Settings extends GateSettings {
  allowList?: string[] | null;
  noConsentMeans?: 'in' | 'out';
  transactionalIgnoresComplaints?: boolean;
}

/** @returns null when there is no such profile */
export async function tryGate(sql: Sql, workspaceId: string, asked: GateTry): Promise<GateTried | null> {
  const profileId = (await idsByExternalId(sql, workspaceId, [asked.profile])).get(asked.profile);
  if (profileId === undefined) return null;
  const { channel, class: messageClass, topic = null } = asked;
  const [[recipient], [workspace], accounts] = await Promise.all([
    recipientsByIds(sql, workspaceId, [profileId]),
    sql.query<{ now: Date; settings: Settings }>(
      'SELECT clock_timestamp() AS now, settings FROM workspaces WHERE id = $1',
      [workspaceId],
    ),
    usableAccounts(sql, workspaceId, channel),
  ]);
  if (!recipient || !workspace) return null;
  const { settings } = workspace;
  const now = asked.at ? new Date(asked.at) : workspace.now;
  const address = channelShapes[channel].addresses(recipient)[0]?.address ?? null;
  const addresses = address === null ? [] : [address];
  const [suppressions, consents] = await Promise.all([
    suppressionsOf(sql, workspaceId, channel, addresses),
    consentsOf(sql, workspaceId, channel, { addresses, profileIds: [profileId], topics: [topic] }),
  ]);
  const version = ownRules(settings)?.version ?? 0;
  const asIf = asked.rules ? await asIfSet(sql, workspaceId, settings, asked.rules, version) : settings;
  const about = {
    ...{ id: newId(), channel, messageClass, topic, source: 'api' as const, tries: 0 },
    ...{ profileId, recipient, address, priority: asked.priority, order: NOT_BEGUN },
  };
  const owns = ownFactsFor(asIf);
  const wanted = wantedOf(about, owns?.(about, undefined) ?? null);
  const [lists, late] = await Promise.all([
    wanted ? sentLately(sql, workspaceId, [wanted], now) : null,
    owns ? lateFactsFor(sql, workspaceId, asIf, [about], now) : null,
  ]);
  const own = owns?.(about, lists?.get(profileId), late?.(about)) ?? null;
  const said = gateInFull({
    now,
    channel,
    messageClass,
    topic,
    expiresAt: null,
    address,
    addressInvalid: false,
    profileGone: false,
    route: null,
    allowList: asIf.allowList ?? null,
    suppression: address === null ? null : (suppressions.get(address) ?? null),
    ...consents(profileId, address, topic),
    transactionalIgnoresComplaints: settings.transactionalIgnoresComplaints === true,
    noConsentMeans: settings.noConsentMeans ?? 'in',
    accounts: stateOf(accounts),
    own,
  });
  const first = said.find((s) => s.verdict !== null)?.verdict ?? ({ kind: 'send' } as const);
  const shown = (verdict: Verdict) => ({
    reason: verdict.kind === 'send' ? null : verdict.reason,
    until: verdict.kind === 'wait' ? new Date(now.getTime() + verdict.afterMs).toISOString() : null,
  });
  return {
    version,
    verdict: first.kind,
    ...shown(first),
    zone: whereIs(recipient, settings.timezone),
    rules: said.map(({ rule, verdict }) =>
      verdict
        ? {
            rule,
            verdict: verdict.kind,
            ...shown(verdict),
            said: ('said' in verdict && verdict.said) || null,
          }
        : { rule, verdict: 'passed', reason: null, until: null, said: null },
    ),
  };
}

/** With rules that are not saved, as saving them would leave them. */
async function asIfSet(
  sql: Sql,
  workspaceId: string,
  settings: Settings,
  rules: GateRules,
  version: number,
): Promise<Settings> {
  const testProfiles = await presentNames(sql, workspaceId, rules.testProfiles);
  return { ...settings, allowList: rules.allowList, gate: { ...withZones(rules), testProfiles, version } };
}
