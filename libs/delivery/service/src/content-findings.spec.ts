import { loadConfig, useConfig } from '@carillon/config';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { addressesIn, contentFindings } from './content-findings.js';
import type { Resolver } from '@carillon/http-out';
import { followLinks, senderFaultsOf } from './look-outside.js';
import type { SendingAccount } from './sending-accounts.js';

const html = (inside: string) => ({ email: { subject: 's', html: inside } });
describe('what is worth a look before it goes to many', () => {
  it.each([
    ['a short text', { sms: { body: 'Hello {{ profile.attributes.firstName }}' } }, []],
    ['a text of two parts', { sms: { body: 'a'.repeat(161) } }, ['/sms/body sms_parts']],
    ['a short one in UCS-2', { sms: { body: `${'a'.repeat(75)} 🎉` } }, ['/sms/body sms_parts']],
    [
      'links that lead somewhere',
      html(
        '<a href="https://x.example">1</a><a href="mailto:a@x.example">2</a><a class="b" href=\'{{ each.link }}\'>3</a>',
      ),
      [],
    ],
    [
      'links that do not, each once',
      html('<a href="#">1</a><a href="#">2</a><a href="www.x.example">3</a><a href="">4</a>'),
      ['/email/html broken_link', '/email/html broken_link', '/email/html broken_link'],
    ],
  ])('%s', (_, content, expected) => {
    expect(contentFindings(content as never).map(({ pointer, code }) => `${pointer} ${code}`)).toEqual(
      expected,
    );
  });
  it('says how many parts, and which letters make them so', () => {
    expect(contentFindings({ sms: { body: `${'a'.repeat(75)} 🎉` } })[0]?.message).toBe(
      'The text takes about 2 parts, so each person costs 2 messages; without 🎉 more would fit into one.',
    );
  });
});

describe('addresses that can be followed', () => {
  it('are those that are written out, each once; nobody follows what Liquid makes', () => {
    const found = addressesIn({
      email: {
        subject: 's',
        html: '<a href="https://x.example/a?b=1&amp;c=2">1</a><a href="https://x.example/{{ each.id }}">2</a><a href="mailto:a@x.example">3</a>',
        text: 'See https://x.example/b.',
      },
      sms: { body: 'Now: https://x.example/b, or {{ unsubscribe_url }}' },
      push: { title: 't', body: 'b', url: 'https://x.example/c' },
    });
    expect(found).toEqual(['https://x.example/a?b=1&c=2', 'https://x.example/b', 'https://x.example/c']);
  });
});

describe('following links', () => {
  const server = http.createServer((request, reply) => {
    const { method, url = '' } = request;
    const status =
      url === '/head' && method === 'HEAD'
        ? 501
        : {
            '/gone': 410,
            '/moved': 302,
            '/door': 401,
            '/shut': 403,
            '/full': 429,
            '/away': 503,
            '/broken': 500,
          }[url];
    reply.writeHead(status ?? 200, { location: '/gone' }).end('x'.repeat(200_000));
  });
  const dns: Resolver = async (name) =>
    name === 'shop.example' ? [{ address: '127.0.0.1', family: 4 }] : [];
  let base = '';
  beforeAll(async () => {
    useConfig(loadConfig({ NODE_ENV: 'test' }));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  it('tells of those that answer badly or not at all, and of no others', async () => {
    const paths = ['/', '/gone', '/moved', '/head', '/broken', '/door', '/shut', '/full', '/away'].map(
      (path) => base + path,
    );
    const nowhere = 'http://mistyped.example/';
    const { dead } = await followLinks([...paths, 'http://127.0.0.1:1/', nowhere], dns);
    expect(dead).toEqual([
      { href: `${base}/gone`, why: 'answered 410', certain: true },
      { href: `${base}/broken`, why: 'answered 500', certain: false },
      { href: `${base}/door`, why: 'answered 401: it is shown to who signs in', certain: false },
      {
        href: `${base}/shut`,
        why: 'answered 403: it may be shown to people all the same, or to some of them',
        certain: false,
      },
      { href: `${base}/full`, why: 'answered 429: it is asked too often at this moment', certain: false },
      { href: `${base}/away`, why: 'answered 503: it is away at this moment', certain: false },
      { href: 'http://127.0.0.1:1/', why: 'could not be reached', certain: false },
      // No name was found from here: it may be this machine that finds none.
      { href: nowhere, why: 'could not be reached', certain: false },
    ]);
    const known = base.replace('127.0.0.1', 'shop.example');
    expect((await followLinks([known, nowhere], dns)).dead).toEqual([
      { href: nowhere, why: 'names a host that does not exist', certain: true },
    ]);
  });
  it('says of none that it is dead when none can be reached from here, and whose names were not found', async () => {
    const none = { dead: [], none: true, notFound: [], left: 0 };
    expect(await followLinks(['http://127.0.0.1:1/a', 'http://127.0.0.1:1/b'])).toEqual(none);
    expect(await followLinks(['http://mistyped.example/'], dns)).toEqual({
      ...none,
      notFound: ['mistyped.example'],
    });
    expect(await followLinks([])).toEqual({ ...none, none: false });
  });
  it('follows thirty, and says how many are left', async () => {
    const many = Array.from({ length: 33 }, (_, n) => `${base}/${n < 30 ? n : 'gone'}`);
    expect(await followLinks(many)).toEqual({ dead: [], none: false, notFound: [], left: 3 });
  });
  it('keeps out of networks that are not public', async () => {
    useConfig(loadConfig({ NODE_ENV: 'test', CARILLON_ALLOW_PRIVATE_NETWORKS: 'false' }));
    const why = 'is not on the public internet';
    expect((await followLinks([`http://127.0.0.1:8080/`])).dead).toEqual([
      { href: 'http://127.0.0.1:8080/', why, certain: false },
    ]);
    useConfig(loadConfig({ NODE_ENV: 'test' }));
  });
});

describe('what DNS says of an account', () => {
  const account = (settings: Record<string, unknown>) =>
    ({ channel: 'email', provider: 'smtp', settings }) as unknown as SendingAccount;
  const plain = { host: 'smtp.example.com', from: 'Acme <hello@news.acme.com>' };
  const records: Record<string, string[]> = {
    'news.acme.com': ['v=spf1 -all'],
    '_dmarc.acme.com': ['v=DMARC1; p=reject'],
  };
  it('is asked for its sender once, and DMARC also for the domain above', async () => {
    const asked: string[] = [];
    const ask = (name: string) => {
      asked.push(name);
      return Promise.resolve(records[name] ?? []);
    };
    expect(await senderFaultsOf([account(plain), account(plain)], ask)).toEqual([]);
    expect(asked.sort()).toEqual(['_dmarc.acme.com', '_dmarc.news.acme.com', 'news.acme.com']);
    const [fault] = await senderFaultsOf([account({ ...plain, from: 'a@other.com' })], ask);
    expect(fault?.message).toContain('other.com has no record for SPF and DMARC');
  });
  it('is nothing where mails go through an endpoint of the operator', async () => {
    const ask = () => Promise.resolve([]);
    expect(await senderFaultsOf([account({ ...plain, endpoint: 'smtp://127.0.0.1:25' })], ask)).toEqual([]);
  });
});
