/**
 * The three public addresses in an email: the picture that says that it was opened, the way of a link, and the mail as a
 * page. A token is checked before anything is read; one that is not ours costs nothing but this. Where a link leads is
 * read from what was sent, never from the address (S21): nobody can make one of these lead elsewhere.
 */
import { forgottenPage, gonePage, textsFor } from '@carillon/audience-service';
import { config } from '@carillon/config';
import { linksIn, isHttpUrl, withUtm, type SourceLink } from '@carillon/content';
import { Database, dayOf } from '@carillon/database';
import { trackingOf, type TrackingPolicy } from '@carillon/delivery-rules';
import { allowPage, Public } from '@carillon/server';
import { Controller, Get, Inject, Param, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Engagement } from './engagement.js';
import { links, linksToPrint, readDeliveryToken, type TokenUse } from './links.js';
import { RenderPool } from './render-pool.js';
import { inputOf, shownWith } from './show-content.js';

/** The smallest picture there is. */
const PICTURE = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
/** How long a link's way is remembered: a scanner that asks a hundred times reads once. */
const REMEMBERED_MS = 30_000;
const REMEMBERED = 5_000;
const KEPT_SOURCES = 100;

/** Where a link of a delivery leads; null: it is no longer known. */
interface Way {
  to: string | null;
  about: { label: string; href: string } | undefined;
  until: number;
}

@Public()
@Controller()
export class TrackingController {
  private readonly ways = new Map<string, Way>();

  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(RenderPool) private readonly renderer: RenderPool,
    @Inject(Engagement) private readonly engagement: Engagement,
  ) {}

  @Get('o/:token')
  opened(@Param('token') token: string, @Req() request: FastifyRequest, @Res() reply: FastifyReply): void {
    const deliveryId = deliveryOf(token, 'track');
    if (deliveryId) this.note(request, { kind: 'open', deliveryId, link: '' });
    void reply
      .status(deliveryId ? 200 : 404)
      .headers({
        'cache-control': 'no-store, private',
        // Mailboxes show it inside pages of their own.
        'cross-origin-resource-policy': 'cross-origin',
        'x-robots-tag': 'noindex',
      })
      .type('image/gif')
      .send(PICTURE);
  }

  @Get('l/:token/:link')
  async follow(
    @Param() { token, link }: { token: string; link: string },
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const deliveryId = deliveryOf(token, 'track');
    const way = deliveryId && /^[\w-]{8}$/.test(link) ? await this.wayOf(deliveryId, link) : null;
    if (!deliveryId || !way) return this.sorry(request, reply, 404);
    if (way.to === null) return this.sorry(request, reply, 410);
    this.note(request, { kind: 'click', deliveryId, link, ...(way.about && { about: way.about }) });
    void reply
      .status(302)
      .headers({
        location: way.to,
        'cache-control': 'no-store, private',
        'referrer-policy': 'no-referrer',
        'x-robots-tag': 'noindex, nofollow',
      })
      .send();
  }

  /** As it was sent, rendered again; without a script, and with nothing that runs. */
  @Get('v/:token')
  async view(
    @Param('token') token: string,
    @Req() request: FastifyRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    const deliveryId = deliveryOf(token, 'view');
    if (!deliveryId) return this.sorry(request, reply, 404);
    const found = await this.settingsOf(deliveryId);
    const ours = links();
    const shown =
      found &&
      (await shownWith(this.database, this.renderer, found.workspaceId, deliveryId, (row) => {
        const { tracking, ...rest } = linksToPrint(ours, [
          {
            ...row,
            workspaceId: found.workspaceId,
            tracking: { policy: found.tracking, own: row.options.tracking },
          },
        ])[0]!;
        // A link is a link here too; that the page was opened is no opening of the mail.
        return { ...rest, tracking: tracking && { ...tracking, opens: false } };
      }));
    const email = shown?.ok ? shown.content.email : undefined;
    if (!email) return this.sorry(request, reply, 410);
    const html = email.html ?? asPage(email.subject, email.text);
    void reply
      .headers({
        'content-security-policy':
          "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline' https: http:; img-src data: https: http:; font-src data: https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        'cache-control': 'no-store, private',
        'referrer-policy': 'no-referrer',
        'x-robots-tag': 'noindex, nofollow, noarchive',
      })
      .type('text/html; charset=utf-8')
      .send(html);
  }

  private note(
    request: FastifyRequest,
    hit: Omit<Parameters<Engagement['note']>[0], 'method' | 'agent' | 'purpose'>,
  ): void {
    const header = (name: string) => String(request.headers[name] ?? '');
    const purpose = ['sec-purpose', 'purpose', 'x-purpose', 'x-moz'].map(header).join(' ').trim();
    this.engagement.note({ ...hit, method: request.method, agent: header('user-agent'), purpose });
  }

  private sorry(request: FastifyRequest, reply: FastifyReply, status: 404 | 410): void {
    const nonce = allowPage(reply);
    const texts = textsFor(null, request.headers['accept-language']);
    void reply
      .status(status)
      .header('x-robots-tag', 'noindex')
      .send(status === 404 ? gonePage(texts, nonce) : forgottenPage(texts, nonce));
  }

  /** @returns null when its mail has no such link */
  private async wayOf(deliveryId: string, link: string): Promise<Way | null> {
    const key = `${deliveryId} ${link}`;
    const known = this.ways.get(key);
    if (known && known.until > Date.now()) return known;
    const found = await this.findWay(deliveryId, link);
    if (!found) return null;
    if (this.ways.size >= REMEMBERED) this.ways.delete(this.ways.keys().next().value ?? '');
    const way = { ...found, until: Date.now() + REMEMBERED_MS };
    this.ways.set(key, way);
    return way;
  }

  private async findWay(deliveryId: string, id: string): Promise<Omit<Way, 'until'> | null> {
    const forgotten = { to: null, about: undefined };
    const settings = await this.settingsOf(deliveryId);
    if (!settings) return forgotten;
    const found = await this.database.inWorkspace(settings.workspaceId, (sql) =>
      inputOf(sql, settings.workspaceId, deliveryId),
    );
    if (!found || found.contents.length === 0) return forgotten;
    const { row, input, contents } = found;
    const link = contents.flatMap((c) => linksOf(c.email?.html)).find((one) => one.id === id);
    if (!link) return null;
    const { label, href } = link;
    let to = href;
    if (href.includes('{')) {
      if (!input) return forgotten;
      const content = { email: { subject: '-', text: href } };
      const [result] = await this.renderer.render('email', [
        { ...input, content, attachments: [], cacheKey: `${input.cacheKey}#${id}`, tracking: undefined },
      ]);
      if (!result?.ok) return forgotten;
      to = String((result.rendered as { text: unknown }).text).trim();
    }
    if (!isHttpUrl(to)) return forgotten;
    const { utm } = trackingOf(row.messageClass, settings.tracking, row.options.tracking) ?? {};
    return { to: utm ? withUtm(to, utm) : new URL(to).href, about: { label, href } };
  }

  /** The workspace that a delivery is of. Its token alone tells. */
  private async settingsOf(
    deliveryId: string,
  ): Promise<{ workspaceId: string; tracking: TrackingPolicy | null } | null> {
    const [row] = await this.database.acrossWorkspaces((sql) =>
      sql.query<{ workspaceId: string; tracking: TrackingPolicy | null }>(
        `SELECT w.id AS "workspaceId", w.settings -> 'tracking' AS tracking FROM deliveries d JOIN workspaces w ON w.id = d.workspace_id
          WHERE d.day = $1::date AND d.id = $2 AND d.channel = 'email'`,
        [dayOf(deliveryId), deliveryId],
      ),
    );
    return row ?? null;
  }
}

function deliveryOf(token: string, use: TokenUse): string | null {
  const { signingKey, previousSigningKeys } = config().secrets;
  return readDeliveryToken([signingKey, ...previousSigningKeys], token, use);
}

/** Reading HTML takes a while; the sources of template versions are the same texts again and again. */
const sources = new Map<string, SourceLink[]>();
function linksOf(html: string | undefined): SourceLink[] {
  if (html === undefined) return [];
  let found = sources.get(html);
  if (!found) {
    found = linksIn(html);
    if (sources.size >= KEPT_SOURCES) sources.delete(sources.keys().next().value ?? '');
    sources.set(html, found);
  }
  return found;
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
const asPage = (subject: string, text: string): string => `<!doctype html>
<html>
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex"><title>${escaped(subject)}</title></head>
<body style="margin:0 auto;padding:1.5rem;max-width:40rem;font:16px/1.6 system-ui,sans-serif;white-space:pre-wrap;overflow-wrap:anywhere">${escaped(text)}</body>
</html>
`;
