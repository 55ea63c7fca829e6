/**
 * Planning a message when it is accepted: everything that can be decided now, with a pointer and a sentence for what
 * is wrong. Consent, suppression and the addresses of profiles are decided when it is claimed. Called by accept.ts.
 */
import { normalizeEmail, normalizePhone } from '@carillon/audience-rules';
import { idsByExternalId, upsertProfiles } from '@carillon/audience-service';
import type {
  AcceptedMessage,
  Channel,
  ContentByChannel,
  Lane,
  ProblemCode,
  ProblemError,
  RouteStep,
  SendMessage,
  TemplateVariable,
} from '@carillon/contracts';
import { kept, newId, type Sql } from '@carillon/database';
import { durationMs } from '@carillon/scheduling-rules';
import { checkContent } from './check-content.js';

export interface SendRequest {
  message: SendMessage;
  idempotencyKey: string | null;
  source?: { kind: 'api' | 'campaign' | 'journey' | 'test'; id?: string };
}
export interface Refusal {
  ok: false;
  code: ProblemCode;
  detail: string;
  errors: ProblemError[];
}
export type AcceptResult = { ok: true; message: AcceptedMessage; replayed: boolean } | Refusal;

export interface PlannedTemplate {
  id: string;
  key: string;
  version: number;
  channels: Channel[];
  variables: TemplateVariable[];
}
/** A request that passed every check and has its ids; not written yet. */
export interface Plan {
  request: SendRequest;
  accepted: AcceptedMessage;
  profileId: string | null;
  template: PlannedTemplate | null;
  content: ContentByChannel | null;
  /** The content as JSON. */
  contentText: string | null;
  lane: Lane;
  deliveries: {
    id: string;
    channel: Channel;
    address: string | null;
    step: number;
    dueAt: Date | null;
    reason: string | null;
  }[];
}

const refuse = (...errors: ProblemError[]): Refusal => ({
  ok: false,
  code: 'invalid_request',
  detail:
    errors.length === 1
      ? `${errors[0]!.pointer}: ${errors[0]!.message}`
      : `${errors.length} things in the message are not valid.`,
  errors,
});
const at = (pointer: string, code: string, message: string): ProblemError => ({ pointer, code, message });
export const templateRef = (m: SendMessage) =>
  m.template === undefined
    ? null
    : typeof m.template === 'string'
      ? { key: m.template, version: null }
      : { key: m.template.key, version: m.template.version ?? null };

/** What may wait behind the others: campaigns, and marketing that nobody's journey waits for. */
export const laneOf = ({ message, source }: SendRequest): Lane =>
  source?.kind === 'campaign'
    ? 'bulk'
    : source?.kind === 'journey'
      ? 'journey'
      : message.class === 'marketing'
        ? 'bulk'
        : 'transactional';

export type ResolvedProfile = { id: string } | { errors: ProblemError[] };

/** Profiles named by external id are looked up, those given inline are created or changed first. */
export async function resolveProfiles(
  sql: Sql,
  workspaceId: string,
  requests: readonly SendRequest[],
  open: number[],
): Promise<Map<number, ResolvedProfile>> {
  const found = new Map<number, ResolvedProfile>();
  const inline = open.flatMap((i) => {
    const profile = requests[i]!.message.to.profile;
    return profile !== undefined && typeof profile !== 'string' ? [{ i, profile }] : [];
  });
  if (inline.length > 0) {
    const upserted = await upsertProfiles(
      sql,
      workspaceId,
      inline.map((x) => x.profile),
    );
    inline.forEach(({ i }, n) => {
      const result = upserted[n]!;
      found.set(
        i,
        result.outcome === 'failed'
          ? { errors: result.errors.map((e) => ({ ...e, pointer: `/to/profile${e.pointer}` })) }
          : { id: result.id },
      );
    });
  }
  const named = open.flatMap((i) => {
    const profile = requests[i]!.message.to.profile;
    return typeof profile === 'string' ? [{ i, externalId: profile }] : [];
  });
  if (named.length > 0) {
    const ids = await idsByExternalId(
      sql,
      workspaceId,
      named.map((n) => n.externalId),
    );
    for (const { i, externalId } of named) {
      const id = ids.get(externalId);
      found.set(
        i,
        id
          ? { id }
          : {
              errors: [
                at(
                  '/to/profile',
                  'unknown_profile',
                  `there is no profile ${JSON.stringify(externalId)}: create it first, or give {"externalId": …, "email": …} here to create it with the message`,
                ),
              ],
            },
      );
    }
  }
  return found;
}

const TEMPLATES = kept(
  'templates',
  `SELECT t.id, t.key, tv.version, t.version AS newest, tv.variables,
          ARRAY(SELECT jsonb_object_keys(tv.content)) AS channels
     FROM (SELECT DISTINCT k, v FROM unnest($2::text[], $3::int[]) AS u(k, v)) AS ref
     JOIN templates t ON t.workspace_id = $1 AND t.key = ref.k AND t.archived_at IS NULL
     JOIN template_versions tv ON tv.workspace_id = $1 AND tv.template_id = t.id AND tv.version = coalesce(ref.v, t.version)`,
);

export async function loadTemplates(
  sql: Sql,
  workspaceId: string,
  refs: { key: string; version: number | null }[],
): Promise<(key: string, version: number | null) => PlannedTemplate | undefined> {
  const rows =
    refs.length === 0
      ? []
      : await sql.query<PlannedTemplate & { newest: number }>(TEMPLATES, [
          workspaceId,
          refs.map((r) => r.key),
          refs.map((r) => r.version),
        ]);
  return (key, version) => rows.find((r) => r.key === key && r.version === (version ?? r.newest));
}

/** Everything that can be decided now. Consent, suppression and addresses of profiles are decided when it is claimed. */
export async function plan(
  request: SendRequest,
  now: Date,
  profile: ResolvedProfile | undefined,
  templates: (key: string, version: number | null) => PlannedTemplate | undefined,
): Promise<Plan | Refusal> {
  const m = request.message;
  const errors: ProblemError[] = [];
  if (profile && 'errors' in profile) errors.push(...profile.errors);

  const address = {
    email: null as string | null,
    sms: null as string | null,
    push: m.to.deviceToken ?? null,
    'in-app': null,
  };
  if (m.to.email !== undefined) {
    const email = normalizeEmail(m.to.email);
    if (email.ok) address.email = email.value;
    else errors.push(at('/to/email', email.code, email.sentence));
  }
  if (m.to.phone !== undefined) {
    const phone = normalizePhone(m.to.phone);
    if (phone.ok) address.sms = phone.value;
    else errors.push(at('/to/phone', phone.code, phone.sentence));
  }
  if (m.replyTo !== undefined) {
    const replyTo = normalizeEmail(m.replyTo);
    if (!replyTo.ok) errors.push(at('/replyTo', replyTo.code, replyTo.sentence));
  }
  const expiresAt = m.expiresAt ? new Date(m.expiresAt) : null;
  if (expiresAt && expiresAt <= now)
    errors.push(
      at(
        '/expiresAt',
        'in_the_past',
        'is in the past: the message would never be sent; give a later time or leave it out',
      ),
    );
  const sendAt = m.sendAt && new Date(m.sendAt) > now ? new Date(m.sendAt) : null;

  const steps: RouteStep[] = m.route ?? (m.channels ?? []).map((channel) => ({ channel }));
  const ref = templateRef(m);
  let template: PlannedTemplate | null = null;
  let content: ContentByChannel | null = null;
  let contentText: string | null = null;
  if (ref) {
    template = templates(ref.key, ref.version) ?? null;
    if (!template)
      errors.push(
        at(
          '/template',
          'unknown_template',
          `there is no template ${JSON.stringify(ref.key)}${ref.version ? ` with version ${ref.version}` : ''}: PUT /v1/templates/${ref.key} creates it`,
        ),
      );
    else {
      const has = template.channels;
      steps.forEach((s, n) => {
        if (!has.includes(s.channel))
          errors.push(
            at(
              `/${m.route ? 'route' : 'channels'}/${n}`,
              'no_content',
              `the template has no ${s.channel} content: it has ${has.join(', ')}`,
            ),
          );
      });
      for (const variable of template.variables) {
        const [top = ''] = variable.name.split('.');
        if (variable.required && top !== 'profile' && m.data?.[top] === undefined)
          errors.push(
            at(
              `/data/${top}`,
              'missing_variable',
              `the template needs ${JSON.stringify(top)}: give it in data`,
            ),
          );
      }
    }
  } else if (m.content) {
    const checked = await checkContent(m.content, m.data ?? {});
    errors.push(...checked.errors);
    content = checked.content;
    contentText = checked.text;
  }
  if (errors.length > 0) return refuse(...errors);

  const lane = laneOf(request);
  let waitMs = 0;
  const deliveries = steps.map((step, n) => {
    // Steps of a route share the clock with everything else that waits; whether they are still needed is decided then.
    waitMs += step.after === undefined ? 0 : durationMs(step.after);
    const later = m.route && n > 0;
    const dueAt = later ? new Date((sendAt ?? now).getTime() + waitMs) : sendAt;
    return {
      id: newId(now),
      channel: step.channel,
      address: address[step.channel],
      step: n,
      dueAt,
      reason: later ? 'fallback' : dueAt ? 'send_later' : null,
    };
  });
  const accepted: AcceptedMessage = {
    id: newId(now),
    deliveries: deliveries.map((d) => ({
      id: d.id,
      channel: d.channel,
      status: d.dueAt ? 'scheduled' : 'queued',
      reason: d.reason as AcceptedMessage['deliveries'][number]['reason'],
    })),
  };
  return {
    request,
    accepted,
    profileId: profile && 'id' in profile ? profile.id : null,
    template,
    content,
    contentText,
    lane,
    deliveries,
  };
}
