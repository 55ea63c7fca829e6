/** What stands behind the links of a mail: the picture, the links, and the page. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Campaign, CampaignNumbers, OperationName } from '@carillon/contracts';
import { dayOf, idInSeries, newId, newSeries } from '@carillon/database';
import { deliveryToken } from '@carillon/delivery-service';
import { eventually } from '@carillon/testing';
import { createHash } from 'node:crypto';
import { apiFixture, type ApiFixture, type AskOptions } from './api.fixture.js';

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
const gmail = 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)';
const html =
  '<html><body><h1>Hi {{ name }}</h1><a href="https://shop.example/a?x=1&amp;y=2">Shop</a> <a href="https://shop.example/o/{{ order }}">Order</a> <a href="{{ to }}">Own</a> <a href="{{ unsubscribe_url }}">Leave</a></body></html>';
/** As tracking.spec.ts of libs/content has it: it stands in mails that were sent long ago. */
const idOf = (href: string) => createHash('sha256').update(`${href}\0`).digest('base64url').slice(0, 8);
const shop = idOf('https://shop.example/a?x=1&y=2');

let at: ApiFixture;
beforeAll(async () => {
  at = await apiFixture();
}, 60_000);
afterAll(() => at.close(), 30_000);

/** A mail as it stands in the log after it was sent. */
async function mail(
  more: {
    data?: object;
    options?: object;
    sentMinutesAgo?: number;
    messageClass?: string;
    content?: object;
  } = {},
) {
  const [id, messageId] = [newId(), newId()];
  const day = dayOf(id);
  const { messageClass = 'marketing', content = { email: { subject: 'Hello', html } } } = more;
  await at.owner.query(
    `INSERT INTO messages (day, id, workspace_id, class, lane, source, content, data, options, delivery_ids)
     VALUES ($1, $2, $3, $4, 'bulk', 'api', $5, $6, $7, ARRAY[$8::uuid])`,
    [
      day,
      messageId,
      at.here.id,
      messageClass,
      content,
      { name: 'Ana', order: 'A 7', to: 'https://own.example/x', ...more.data },
      more.options ?? {},
      id,
    ],
  );
  await at.owner.query(
    `INSERT INTO deliveries (day, id, workspace_id, message_id, channel, class, lane, source, status, address, sent_at)
     VALUES ($1, $2, $3, $4, 'email', $5, 'bulk', 'api', 'sent', 'ana@example.com', now() - make_interval(mins => $6))`,
    [day, id, at.here.id, messageId, messageClass, more.sentMinutesAgo ?? 5],
  );
  const ours = { publicUrl: '', webhookUrl: '', signingKeys: [at.config.secrets.signingKey] } as const;
  const [track, view] = [deliveryToken(ours, id, 'track'), deliveryToken(ours, id, 'view')];
  return { id, messageId, track, view };
}
const get = (path: string, agent = firefox, more: RequestInit = {}) =>
  fetch(`${at.url}${path}`, { redirect: 'manual', headers: { 'user-agent': agent }, ...more });
const counts = async (id: string) =>
  (
    await at.owner.query<{ kind: string; link: string; by: string; count: number }>(
      'SELECT kind, link, by, count FROM engagements WHERE delivery_id = $1 ORDER BY kind, link, by',
      [id],
    )
  ).rows.map(({ kind, link, by, count }) => `${kind} ${link || '-'} ${by} ${count}`);
/** Opens and clicks are gathered for a second. */
const sooner = (expected: () => Promise<void>) => eventually(async () => (await expected(), true), 20_000);
const timeline = async (id: string) =>
  (
    await at.owner.query<{ type: string }>(
      'SELECT type, detail FROM delivery_events WHERE delivery_id = $1 ORDER BY id',
      [id],
    )
  ).rows.map((row) => row.type);

describe('a link', () => {
  it('leads to where its mail says, and is counted once as a line and each time as a number', async () => {
    const { id, track } = await mail();
    for (let n = 0; n < 3; n++) {
      const answer = await get(`/l/${track}/${shop}`);
      expect(answer.status).toBe(302);
      expect(answer.headers.get('location')).toBe('https://shop.example/a?x=1&y=2');
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
      expect(answer.headers.get('cache-control')).toContain('no-store');
    }
    await sooner(async () => expect(await counts(id)).toEqual([`click ${shop} person 3`, 'open - person 0']));
    expect((await timeline(id)).sort()).toEqual(['clicked', 'opened']);
    await get(`/l/${track}/${shop}`);
    await sooner(async () => expect(await counts(id)).toContain(`click ${shop} person 4`));
    expect((await timeline(id)).sort()).toEqual(['clicked', 'opened']);
  });

  it('may be made of the data of its mail, and gets the parameters that were asked for', async () => {
    const { track } = await mail({ options: { tracking: { utm: { source: 'news', campaign: 'may' } } } });
    const to = async (href: string) => (await get(`/l/${track}/${idOf(href)}`)).headers.get('location');
    expect(await to('https://shop.example/o/{{ order }}')).toBe(
      'https://shop.example/o/A%207?utm_source=news&utm_campaign=may',
    );
    expect(await to('{{ to }}')).toBe('https://own.example/x?utm_source=news&utm_campaign=may');
  });

  it.each(['javascript:alert(1)', '//evil.example', '\\\\evil.example', 'https://a:b@evil.example/', ''])(
    'does not lead to %j, even where the data says so',
    async (to) => {
      const { track } = await mail({ data: { to } });
      const answer = await get(`/l/${track}/${idOf('{{ to }}')}`);
      expect(answer.status).toBe(410);
      expect(answer.headers.get('location')).toBeNull();
    },
  );

  it('is refused when any bit of it was changed, and whatever is put behind it', async () => {
    const { id, track, view } = await mail();
    const bytes = Buffer.from(track, 'base64url');
    const changed = Array.from({ length: bytes.length * 8 }, (_, bit) => {
      const copy = Buffer.from(bytes);
      copy[bit >> 3]! ^= 1 << (bit & 7);
      return `/l/${copy.toString('base64url')}/${shop}`;
    });
    const others = [
      `/l/${view}/${shop}`,
      `/l/${track}=/${shop}`,
      `/l/${track}/aaaaaaaa`,
      `/l/${track}/${shop}x`,
      `/l/${track}/https%3A%2F%2Fevil.example`,
      `/v/${track}`,
      `/o/${view}`,
    ];
    for (const path of [...changed, ...others]) {
      const answer = await get(path);
      expect([path, answer.status]).toEqual([path, 404]);
    }
    const more = await get(`/l/${track}/${shop}?url=https://evil.example&to=//evil.example`);
    expect(more.headers.get('location')).toBe('https://shop.example/a?x=1&y=2');
    await sooner(async () => expect(await counts(id)).toEqual([`click ${shop} person 1`, 'open - person 0']));
  });

  it('keeps machines apart: HEAD, and agents that say what they are', async () => {
    const [asked, scanned] = [await mail(), await mail()];
    const head = await get(`/l/${asked.track}/${shop}`, firefox, { method: 'HEAD' });
    expect(head.status).toBe(302);
    await get(`/l/${scanned.track}/${shop}`, 'Mozilla/5.0 Mimecast URL Protect');
    await sooner(async () => {
      expect(await counts(asked.id)).toEqual([`click ${shop} machine 1`]);
      expect(await counts(scanned.id)).toEqual([`click ${shop} machine 1`]);
    });
    for (const { id } of [asked, scanned]) expect(await timeline(id)).toEqual([]);
  });

  it('says so when what it led to was erased', async () => {
    const { track, messageId } = await mail();
    const erased = await at.ask(at.here, 'eraseMessage', { params: { id: messageId } });
    expect(erased.status).toBe(200);
    const answer = await get(`/l/${track}/${shop}`);
    expect(answer.status).toBe(410);
    expect(await answer.text()).toContain('no longer kept');
  });
});

describe('the picture', () => {
  it('is a picture, and tells people, picture proxies and Apple apart', async () => {
    const [shown, before] = [await mail(), await mail()];
    const picture = await get(`/o/${shown.track}`, gmail);
    expect(picture.status).toBe(200);
    expect(picture.headers.get('content-type')).toBe('image/gif');
    expect(picture.headers.get('cross-origin-resource-policy')).toBe('cross-origin');
    expect((await picture.arrayBuffer()).byteLength).toBe(42);
    await get(`/o/${before.track}`, 'Mozilla/5.0');
    await sooner(async () => {
      expect(await counts(shown.id)).toEqual(['open - proxy 1']);
      expect(await counts(before.id)).toEqual(['open - machine 1']);
    });
    expect(await timeline(shown.id)).toEqual(['opened']);
    expect(await timeline(before.id)).toEqual([]);
    await get(`/o/${shown.track}`);
    await sooner(async () => expect(await counts(shown.id)).toEqual(['open - person 1', 'open - proxy 1']));
    expect(await timeline(shown.id)).toEqual(['opened']);
  });
});

describe('the page', () => {
  it('shows the mail again, with links that are counted, and lets nothing run', async () => {
    const { track, view } = await mail({ data: { name: '<script>alert(1)</script>' } });
    const answer = await get(`/v/${view}`);
    const text = await answer.text();
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-security-policy')).toMatch(/^sandbox .*default-src 'none'/);
    expect(answer.headers.get('x-robots-tag')).toContain('noindex');
    expect(text).toContain('Hi &lt;script&gt;');
    expect(text).toContain(`/l/${track}/${shop}`);
    expect(text).toMatch(/href="[^"]*\/u\/[\w-]+"/);
    expect(text).not.toContain('/o/');
  });

  it('shows a mail that is text alone, and one of a class that is not counted as it was', async () => {
    const plain = await mail({ content: { email: { subject: 'A & B', text: 'Hi {{ name }} <b>' } } });
    expect(await (await get(`/v/${plain.view}`)).text()).toContain('Hi Ana &lt;b>');
    const code = await mail({ messageClass: 'transactional' });
    const text = await (await get(`/v/${code.view}`)).text();
    expect(text).toContain('href="https://shop.example/a?x=1&amp;y=2"');
    expect(text).not.toContain('/l/');
  });

  it('says so when it was erased', async () => {
    const { view, messageId } = await mail();
    await at.ask(at.here, 'eraseMessage', { params: { id: messageId } });
    const answer = await get(`/v/${view}`);
    expect(answer.status).toBe(410);
    expect(await answer.text()).toContain('no longer kept');
  });
});

/** What the stream of a campaign tells, until it ends. */
async function* numbersOf(id: string): AsyncGenerator<CampaignNumbers> {
  const { body } = await fetch(`${at.url}/v1/campaigns/${id}/stream`, {
    headers: { authorization: `Bearer ${at.here.key}` },
  });
  let rest = '';
  for await (const piece of body!.pipeThrough(new TextDecoderStream())) {
    const events = (rest + piece).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      const [, data] = /^data: (.*)$/m.exec(event) ?? [];
      if (event.includes('event: numbers') && data) yield JSON.parse(data) as CampaignNumbers;
    }
  }
}

describe('the funnel of a campaign', () => {
  it('counts each mail once, machines apart, by variant, domain and link, and who did what was hoped for', async () => {
    const made = await at.ask(at.here, 'createCampaign', {
      body: {
        name: 'Autumn',
        definition: {
          audience: { profiles: ['nobody'] },
          channels: ['email'],
          content: { email: { subject: 'Hello', html } },
        },
      },
    });
    const { id } = made.json as { id: string };
    const day = dayOf(newId());
    await at.owner.query('UPDATE campaigns SET run_no = 1 WHERE id = $1', [id]);
    await at.owner.query(
      `INSERT INTO campaign_runs (workspace_id, campaign_id, no, state, definition, targeted) VALUES ($1, $2, 1, 'completed', '{}', 4)`,
      [at.here.id, id],
    );
    /** A variant's mailing: who got it, and what became of it. */
    const part = async (variant: string, people: { domain: string; status?: string; hits?: string[] }[]) => {
      const [runId, messageId] = [newId(), newSeries(new Date())];
      await at.owner.query(
        `INSERT INTO messages (day, id, workspace_id, class, lane, source, content, delivery_ids) VALUES ($1, $2, $3, 'marketing', 'bulk', 'campaign', $4, '{}')`,
        [day, messageId, at.here.id, { email: { subject: 'Hello', html } }],
      );
      await at.owner.query(
        `INSERT INTO runs (id, workspace_id, source, source_id, channel, class, message_id, day, planned_at, state, members)
         VALUES ($1, $2, 'campaign', $3, 'email', 'marketing', $4, $5, now(), 'completed', $6)`,
        [runId, at.here.id, id, messageId, day, people.length],
      );
      await at.owner.query(
        `INSERT INTO campaign_parts (workspace_id, campaign_id, no, run_id, channel, variant) VALUES ($1, $2, 1, $3, 'email', $4)`,
        [at.here.id, id, runId, variant],
      );
      const profiles: string[] = [];
      for (const [n, { domain, status = 'delivered', hits = [] }] of people.entries()) {
        const [deliveryId, profileId] = [idInSeries(messageId, n + 1), newId()];
        profiles.push(profileId);
        await at.owner.query(
          `INSERT INTO deliveries (day, id, workspace_id, message_id, profile_id, channel, class, lane, source, status, reason, address, sent_at)
           VALUES ($1, $2, $3, $4, $5, 'email', 'marketing', 'bulk', 'campaign', $6, $7, $8, now() - interval '1 hour')`,
          [
            day,
            deliveryId,
            at.here.id,
            messageId,
            profileId,
            status,
            status === 'failed' ? 'bounced' : null,
            `x@${domain}`,
          ],
        );
        for (const hit of hits) {
          const [kind, by, count, link = ''] = hit.split(' ');
          await at.owner.query(
            `INSERT INTO engagements (day, delivery_id, workspace_id, kind, link, by, count) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
            [day, deliveryId, at.here.id, kind, link, by, Number(count)],
          );
        }
      }
      return profiles;
    };
    const [ordered] = await part('a', [
      { domain: 'Gmail.com', hits: ['open person 3', `click person 2 ${shop}`, `click machine 9 ${shop}`] },
      { domain: 'gmail.com', hits: ['open proxy 1'] },
      { domain: 'icloud.com', hits: ['open machine 1', `click machine 1 ${shop}`] },
    ]);
    await part('b', [{ domain: 'gmail.com', status: 'failed' }]);
    await at.owner.query(
      `SELECT ensure_event_months(m::date, m::date) FROM unnest(ARRAY[date_trunc('month', now()), date_trunc('month', now() - interval '1 day')]) AS m`,
    );
    await at.owner.query(
      `INSERT INTO events (workspace_id, profile_id, at, id, name) VALUES ($1, $2, now() - interval '30 minutes', $3, 'order.placed'), ($1, $2, now() - interval '2 hours', $4, 'order.seen')`,
      [at.here.id, ordered, newId(), newId()],
    );

    const funnel = async (query: string) =>
      (await at.ask(at.here, 'getCampaignFunnel', { params: { id }, query })).json as {
        total: Record<string, number>;
        groups: ({ name: string } & Record<string, number>)[];
        links: Record<string, unknown>[];
      };
    const byVariant = await funnel('?by=variant&event=order.placed');
    expect(byVariant.total).toEqual({
      targeted: 4,
      sent: 3,
      delivered: 3,
      opened: 2,
      openedByProxy: 1,
      opens: 4,
      openedByMachine: 1,
      clicked: 1,
      clicks: 2,
      clickedByMachine: 1,
      converted: 1,
      unsubscribed: 0,
      complained: 0,
    });
    expect(byVariant.groups.map((g) => [g.name, g.targeted, g.sent, g.opened])).toEqual([
      ['a', 3, 3, 2],
      ['b', 1, 0, 0],
    ]);
    const byDomain = await funnel('?by=domain&event=order.seen');
    expect(byDomain.groups.map((g) => [g.name, g.targeted, g.clicked])).toEqual([
      ['gmail.com', 3, 1],
      ['icloud.com', 1, 0],
    ]);
    expect(byDomain.total['converted']).toBe(0);
    await at.owner.query(
      `INSERT INTO profiles (id, workspace_id, external_id, timezone) VALUES ($1, $2, 'kenji', 'Asia/Tokyo')`,
      [ordered, at.here.id],
    );
    const byZone = await funnel('?by=zone');
    expect(byZone.groups.map((g) => [g.name, g.targeted, g.clicked])).toEqual([
      ['', 3, 0],
      ['Asia/Tokyo', 1, 1],
    ]);
    const byChannel = await funnel('?by=channel');
    expect(byChannel.groups.map((g) => [g.name, g.targeted, g.opened])).toEqual([['email', 4, 2]]);
    expect((await funnel('?event=order.placed&within=1m')).total['converted']).toBe(0);
    expect(byVariant.links).toHaveLength(3);
    expect(byVariant.links[0]).toEqual({
      id: shop,
      href: 'https://shop.example/a?x=1&y=2',
      label: 'Shop',
      clicked: 1,
      clicks: 2,
      clickedByMachine: 2,
    });

    const text = async (name: OperationName, query = '') =>
      (await at.ask(at.here, name, { params: { id }, query })).text;
    expect(await text('exportCampaignFunnel', '?by=domain')).toBe(
      'domain,targeted,sent,delivered,opened,openedByProxy,opens,openedByMachine,clicked,clicks,clickedByMachine,unsubscribed,complained\r\ngmail.com,3,2,2,2,1,4,0,1,2,0,0,0\r\nicloud.com,1,1,1,0,0,0,1,0,0,1,0,0\r\n',
    );
    expect(await text('exportCampaignFunnel', '?by=zone')).toContain(
      '\r\nAsia/Tokyo,1,1,1,1,0,3,0,1,2,0,0,0\r\n',
    );
    expect(await text('exportCampaignFunnel', '?by=channel')).toContain('\r\nemail,4,3,3,2,');
    expect(await text('exportCampaignFunnel', '?by=link')).toContain(
      'https://shop.example/a?x=1&y=2,Shop,3,1,2,2\r\n',
    );
    expect(await text('exportCampaignNumbers')).toContain(',email,a,3,0,3,0,0,0,0,0\r\n');
    // While it runs its stream tells what changes, and each time the sum is whole.
    await at.owner.query(`UPDATE campaigns SET state = 'running' WHERE id = $1`, [id]);
    const watched: CampaignNumbers[] = [];
    for await (const now of numbersOf(id)) {
      watched.push(now);
      expect(now.pending + now.sent + now.suppressed + now.failed + now.unknown).toBe(now.targeted);
      if (watched.length === 1)
        await at.owner.query(
          `UPDATE deliveries SET status = 'suppressed', reason = 'unsubscribed' WHERE profile_id = $1`,
          [ordered],
        );
      else await at.owner.query(`UPDATE campaigns SET state = 'completed' WHERE id = $1`, [id]);
    }
    expect(watched.map(({ state, sent, suppressed }) => [state, sent, suppressed])).toEqual([
      ['running', 3, 0],
      ['running', 2, 1],
      ['completed', 2, 1],
    ]);
    // The numbers of one that is over are told once, and the stream ends.
    await at.owner.query(`UPDATE campaigns SET state = 'completed' WHERE id = $1`, [id]);
    const told = await text('streamCampaign');
    expect(told.match(/event: numbers/g)).toHaveLength(1);
    expect(told).toContain('"targeted":4');
  });
});

describe('the calendar of campaigns', () => {
  it('is a page of its own beside theirs, and says what a stretch of time may be', async () => {
    const ask = (who: ApiFixture['here'], query: string) => at.ask(who, 'getCampaignCalendar', { query });
    const start = {
      kind: 'recurring',
      rule: 'FREQ=DAILY;COUNT=3',
      from: '2031-01-01T09:00',
      zone: 'Europe/Berlin',
    };
    const definition = {
      audience: { profiles: ['nobody'] },
      channels: ['email'],
      content: { email: { subject: 'Hello', html } },
      start,
    };
    await at.ask(at.here, 'createCampaign', { body: { name: 'Daily', definition } });
    const january = '?from=2031-01-01T00:00:00Z&to=2031-02-01T00:00:00Z';
    const found = await ask(at.here, january);
    expect(found.status).toBe(200);
    expect((found.json as { items: { at: string }[] }).items.map(({ at: time }) => time)).toEqual([
      '2031-01-01T08:00:00.000Z',
      '2031-01-02T08:00:00.000Z',
      '2031-01-03T08:00:00.000Z',
    ]);
    expect((await ask(at.elsewhere, january)).json).toEqual({ items: [] });
    expect(await ask(at.here, '?from=2031-01-01T00:00:00Z&to=2031-04-01T00:00:00Z')).toMatchObject({
      status: 422,
      json: { errors: [{ message: expect.stringContaining('at most 62 days after') }] },
    });
  });
});

describe('preparing a campaign', () => {
  it('renders samples for some of its people, and follows what is written out', async () => {
    const ask = async (name: OperationName, call: AskOptions) => (await at.ask(at.here, name, call)).json;
    for (const [name, plan] of Object.entries({ bea: 'gold', cy: undefined }))
      await ask('upsertProfile', {
        params: { externalId: name },
        body: { email: `${name}@example.com`, phone: '+442079460123', attributes: plan ? { plan } : {} },
      });
    const text = 'Your plan: {{ profile.attributes.plan }}. {{ unsubscribe_url }}';
    const made = await ask('createCampaign', {
      body: {
        name: 'Plans',
        definition: {
          audience: { profiles: ['bea', 'cy'] },
          channels: ['email', 'sms'],
          content: {
            email: {
              subject: 'Plans',
              html: `<p>${text}</p><a href="${at.url}/nowhere">here</a><a href="${at.url}/health/live">there</a>`,
            },
            sms: { body: '{{ missing }}' },
          },
          data: { missing: '' },
        },
      },
    });
    const { id } = made as Campaign;
    const { report } = (await ask('prepareCampaign', { params: { id }, body: {} })) as Campaign;
    const samples = report?.samples?.map(({ profile, channel, says }) => `${profile} ${channel} ${says}`);
    expect(samples?.filter((line) => line.includes('email')).sort()).toEqual([
      expect.stringContaining('bea email Plans — Your plan: gold.'),
      expect.stringContaining('cy email '),
    ]);
    const found = report?.findings.map(({ level, code, message }) => `${level} ${code}: ${message}`);
    expect(found).toEqual(
      expect.arrayContaining([
        expect.stringContaining('warning cannot_render: The email message cannot be made for cy: '),
        expect.stringContaining('error cannot_render: The sms message cannot be made for anybody'),
        `error dead_link: The link “${at.url}/nowhere” answered 404.`,
      ]),
    );
    expect(found?.filter((line) => line.includes('dead_link'))).toHaveLength(1);

    // A page that is not published yet: who knows better says so.
    const { definition } = made as Campaign;
    await ask('saveCampaign', {
      params: { id },
      body: { name: 'Plans', definition: { ...definition, brokenLinks: 'warn' } },
    });
    const again = (await ask('prepareCampaign', { params: { id }, body: {} })) as Campaign;
    expect(again.report?.findings.filter(({ code }) => code === 'dead_link')).toMatchObject([
      { level: 'warning' },
    ]);
  });
});
