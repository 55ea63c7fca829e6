/** Asking for a message: the shapes of `POST /v1/messages` and its neighbours. */
import { z } from 'zod';
import { AnyJson } from './json.js';
import { ContentByChannel } from './content.js';
import { Id, Time } from './page.js';
import { Tracking } from './tracking.js';
import { ExternalId, ProfileUpsert } from './profiles.js';
import { Channel, MessageClass, Status, Reason } from './words.js';

export const To = z
  .strictObject({
    profile: z
      .union([ExternalId, ProfileUpsert])
      .optional()
      .describe('External id of a profile, or the profile itself: created or updated first.'),
    email: z.string().max(320).optional().describe('An address without a profile.'),
    phone: z.string().max(40).optional(),
    deviceToken: z.string().min(8).max(4096).optional(),
  })
  .refine(
    (t) =>
      t.profile !== undefined ||
      t.email !== undefined ||
      t.phone !== undefined ||
      t.deviceToken !== undefined,
    {
      message: 'say who: profile, email, phone or deviceToken',
    },
  )
  .refine(
    (t) =>
      t.profile === undefined ||
      (t.email === undefined && t.phone === undefined && t.deviceToken === undefined),
    {
      message: 'give either a profile or an address, not both',
    },
  )
  .meta({ id: 'To' });

/** `5m`, `2h`, `30s`, `1d`. */
export const Duration = z
  .string()
  .regex(/^[1-9]\d{0,4}(s|m|h|d)$/, 'a number and s, m, h or d: for example 5m');
export const RouteStep = z
  .strictObject({
    channel: Channel,
    after: Duration.optional().describe('How long to wait for the step before.'),
    unless: z
      .enum(['sent', 'delivered', 'read'])
      .optional()
      .describe('Skip this step when the step before got this far in time.'),
  })
  .meta({ id: 'RouteStep' });

export type RouteStep = z.infer<typeof RouteStep>;

/** What Gmail and Outlook refuse by name, whatever the media type says. */
const REFUSED_FILES =
  /\.(?:ade|adp|apk|appx|bat|cab|chm|cmd|com|cpl|diagcab|dll|dmg|exe|hta|img|ins|iso|isp|jar|jnlp|js|jse|lib|lnk|mde|msc|msi|msix|msp|mst|nsh|pif|ps1|scr|sct|shb|sys|vb|vbe|vbs|vhd|vxd|wsc|wsf|wsh|xll)$/i;

export const Attachment = z
  .strictObject({
    filename: z
      .string()
      .min(1)
      .max(255)
      .refine((s) => !/[\r\n\0/\\]/.test(s), 'must not hold line breaks, NUL or slashes'),
    contentType: z
      .string()
      .max(127)
      .regex(/^[\w.+-]+\/[\w.+-]+$/, 'a media type such as application/pdf'),
    content: z.base64().max(1_000_000).describe('Base64.'),
    contentId: z
      .string()
      .regex(/^[\w.@-]{1,100}$/, 'letters, digits and . _ @ - only')
      .optional()
      .describe(
        'Of a picture in the text: <img src="cid:logo"> shows the attachment whose contentId is logo.',
      ),
  })
  .refine((a) => !REFUSED_FILES.test(a.filename), {
    path: ['filename'],
    message: 'mailboxes refuse files that run programs: send a link instead',
  })
  .meta({ id: 'Attachment' });
export type Attachment = z.infer<typeof Attachment>;

/** JSON keys that could reach an object's prototype are refused before this schema is applied (see server). */
export const Data = z.record(z.string().min(1).max(100), AnyJson);

export const SendMessage = z
  .strictObject({
    to: To,
    channels: z.array(Channel).min(1).max(4).optional().describe('Send on all of these.'),
    route: z.array(RouteStep).min(1).max(4).optional().describe('Try in this order.'),
    content: ContentByChannel.optional(),
    template: z
      .union([
        z.string().min(1).max(100),
        z.strictObject({ key: z.string().min(1).max(100), version: z.int().min(1).optional() }),
      ])
      .optional()
      .describe('Key of a template; the newest version unless said.'),
    data: Data.optional().describe('Variables of the template or of inline Liquid.'),
    class: MessageClass.default('transactional'),
    topic: z.string().max(100).optional().describe('What it is about, for opt-outs by topic.'),
    replyTo: z.string().max(320).optional(),
    attachments: z.array(Attachment).max(10).optional().describe('Email only.'),
    tracking: Tracking.optional(),
    priority: z
      .int()
      .min(0)
      .max(100)
      .optional()
      .describe('Who gets the place when caps or capacity have not room for all; 50 unless said.'),
    sendAt: Time.optional().describe('Not before this time. The past means now.'),
    expiresAt: Time.optional().describe('Not after this time.'),
    idempotencyKey: z
      .string()
      .min(1)
      .max(255)
      .optional()
      .describe('The same as the Idempotency-Key header. A repeat within 48 hours gets the first answer.'),
    metadata: z
      .record(z.string().max(100), z.string().max(500))
      .optional()
      .describe('Kept with the message; not sent.'),
  })
  .check((ctx) => {
    const m = ctx.value;
    const issue = (path: (string | number)[], message: string) =>
      ctx.issues.push({ code: 'custom', input: m, path, message });
    if (m.channels && m.route)
      issue(['route'], 'give either channels (send on all) or route (try in order), not both');
    if (!m.channels && !m.route)
      issue(['channels'], 'say by which channels: channels (send on all) or route (try in order)');
    if (m.channels && new Set(m.channels).size !== m.channels.length)
      issue(['channels'], 'each channel once');
    if (m.content && m.template) issue(['template'], 'give either content or template, not both');
    if (!m.content && !m.template) issue(['content'], 'say what to send: content, or template with data');
    for (const channel of m.channels ?? m.route?.map((step) => step.channel) ?? []) {
      if (m.content && !m.content[channel])
        issue(['content', channel], `the message goes by ${channel}, so give its content`);
      if (m.to.profile === undefined) {
        const field = ({ email: 'email', sms: 'phone', push: 'deviceToken', 'in-app': 'profile' } as const)[
          channel
        ];
        if (m.to[field] === undefined)
          issue(['to'], `${channel} needs to.${field}${field === 'profile' ? '' : ' or to.profile'}`);
      }
    }
    if (m.expiresAt && m.sendAt && Date.parse(m.expiresAt) <= Date.parse(m.sendAt))
      issue(['expiresAt'], 'must be later than sendAt');
  })
  .meta({ id: 'SendMessage' });
export type SendMessage = z.infer<typeof SendMessage>;
/** What a caller writes: defaults may be left out. */
export type SendMessageInput = z.input<typeof SendMessage>;

export const AcceptedDelivery = z.object({
  id: Id,
  channel: Channel,
  status: Status,
  reason: Reason.nullable(),
});
export const AcceptedMessage = z
  .object({ id: Id, deliveries: z.array(AcceptedDelivery) })
  .meta({ id: 'AcceptedMessage', description: 'Committed: it is kept from here on.' });
export type AcceptedMessage = z.infer<typeof AcceptedMessage>;

export const SendBatch = z
  .strictObject({ messages: z.array(z.unknown()).min(1).max(1000) })
  .meta({ id: 'SendBatch', description: 'Up to 1,000 SendMessage, each judged by itself.' });
export const BatchResult = z
  .object({
    accepted: z.number(),
    failed: z.number(),
    results: z.array(
      z.union([
        z.object({ index: z.number(), ok: z.literal(true), message: AcceptedMessage, replayed: z.boolean() }),
        z.object({
          index: z.number(),
          ok: z.literal(false),
          code: z.string(),
          detail: z.string(),
          errors: z.array(z.object({ pointer: z.string(), code: z.string(), message: z.string() })),
        }),
      ]),
    ),
  })
  .meta({ id: 'BatchResult' });
export type BatchResult = z.infer<typeof BatchResult>;

export const Message = z
  .object({
    id: Id,
    class: MessageClass,
    source: z.string(),
    topic: z.string().nullable(),
    template: z.object({ key: z.string(), version: z.number() }).nullable(),
    sendAt: Time.nullable(),
    expiresAt: Time.nullable(),
    metadata: z.record(z.string(), z.string()),
    createdAt: Time,
    deliveries: z.array(AcceptedDelivery),
  })
  .meta({ id: 'Message' });
export type Message = z.infer<typeof Message>;

export const Reschedule = z.strictObject({ sendAt: Time }).meta({ id: 'Reschedule' });
export const EraseResult = z
  .object({
    id: Id,
    deliveries: z.int().describe('Deliveries of which nothing but status, reason and times is left.'),
    cancelled: z.int().describe('Of these, those that had not left.'),
  })
  .meta({ id: 'EraseResult' });
export const CancelResult = z
  .object({
    id: Id,
    cancelled: z.number().describe('Deliveries that will not be sent.'),
    alreadyLeft: z
      .number()
      .describe(
        'Deliveries that have left or ended, or may have left: no further attempt is made of those whose earlier attempt is in doubt, but that one may arrive.',
      ),
  })
  .meta({ id: 'CancelResult' });
export const RescheduleResult = z
  .object({ id: Id, rescheduled: z.number(), alreadyLeft: z.number(), sendAt: Time })
  .meta({ id: 'RescheduleResult' });
