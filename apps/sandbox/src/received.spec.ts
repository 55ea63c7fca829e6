/** The memory of the sandbox: bounded by count and by bytes, and parsed only when looked at. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ReceivedMessages, type ReceivedSms } from './received.js';

let keep = 3;
let changes = 0;
let received: ReceivedMessages;
beforeEach(() => {
  keep = 3;
  changes = 0;
  received = new ReceivedMessages(
    () => keep,
    () => changes++,
  );
});
afterEach(() => received.clear());

const at = '2026-01-01T00:00:00.000Z';
const mail = (to: string, raw: Buffer | string = `Subject: to ${to}\r\n\r\nHello`, accepted = true) => {
  const id = received.nextId();
  received.add({
    channel: 'email',
    id,
    to,
    at,
    accepted,
    answer: accepted ? '250 Ok' : '550 No',
    from: 'a@x.example',
    raw: Buffer.from(raw),
  });
  return id;
};
const sms = (to: string) =>
  received.add({
    channel: 'sms',
    id: received.nextId(),
    to,
    at,
    accepted: true,
    answer: '201',
    body: to,
  } as ReceivedSms);
const recipients = async (...filter: Parameters<ReceivedMessages['list']>) =>
  (await received.list(...filter)).map((item) => item.to);

describe('bounds', () => {
  it('keeps the latest of each channel and counts all', async () => {
    for (const n of [1, 2, 3, 4, 5]) mail(`${n}@x.example`);
    sms('+1');
    expect(await recipients()).toEqual(['3@x.example', '4@x.example', '5@x.example', '+1']);
    expect(received.totals).toMatchObject({ email: { accepted: 5 }, sms: { accepted: 1 } });
    expect(changes).toBe(6);
  });

  it('keeps the order of arrival over the channels', async () => {
    mail('1@x.example');
    sms('+2');
    mail('3@x.example');
    expect(await recipients()).toEqual(['1@x.example', '+2', '3@x.example']);
  });

  it('holds 64 MB of mail at most, whatever their number', async () => {
    keep = 100_000;
    const large = Buffer.alloc(10 * 1024 * 1024, 'Subject: x\r\n\r\n');
    const ids = Array.from({ length: 9 }, (_, n) => mail(`${n}@x.example`, large));
    expect(ids.map((id) => received.rawMail(id) !== undefined)).toEqual(ids.map((_, n) => n >= 3));
  });

  it('stays exact over many thousands, and shrinks when keep does', async () => {
    for (let n = 0; n < 20_000; n++) sms(`+${n}`);
    expect(await recipients()).toEqual(['+19997', '+19998', '+19999']);
    keep = 1;
    sms('+20000');
    expect(await recipients()).toEqual(['+20000']);
    keep = 0;
    expect(received.keeping).toBe(false);
    sms('+20001');
    expect(received.totals.sms.accepted).toBe(20_002);
    expect(await recipients()).toEqual(['+20000']);
  });
});

describe('filters', () => {
  beforeEach(() => {
    keep = 100;
    mail('zoe@x.example', 'From: =?utf-8?q?Ad=C3=A9?= <a@x.example>\r\nSubject: Parcel\r\n\r\nIt is here');
    mail('tom@x.example', '', false);
    sms('+1');
  });

  it.each([
    ['nothing asked', {}, ['zoe@x.example', '+1']],
    ['with refused ones', { refused: true }, ['zoe@x.example', 'tom@x.example', '+1']],
    ['a channel', { channel: 'sms' as const }, ['+1']],
    ['a recipient', { to: 'ZOE@x.example' }, ['zoe@x.example']],
    ['the latest only', { limit: 1 }, ['+1']],
    ['a word of the subject', { search: 'parcel' }, ['zoe@x.example']],
    ['a word of the body', { search: 'HERE' }, ['zoe@x.example']],
    ['a word of the sender', { search: 'adé' }, ['zoe@x.example']],
    ['a word of nobody', { search: 'nobody' }, []],
  ])('%s', async (_name, filter, expected) => {
    expect(await recipients(filter)).toEqual(expected);
  });

  it('a mail without content is still a mail', async () => {
    const [refused] = await received.list({ to: 'tom@x.example', refused: true });
    expect(refused).toMatchObject({ subject: '', html: null, text: '', size: 0, answer: '550 No' });
  });

  it('a mail that cannot be read does not hide the others', async () => {
    mail('odd@x.example', Buffer.alloc(5 * 1024 * 1024, 'x'));
    expect(await recipients()).toEqual(['zoe@x.example', '+1', 'odd@x.example']);
    expect(await received.list({ to: 'odd@x.example' })).toMatchObject([{ subject: '(unreadable)' }]);
  });

  it('forgets on clear', async () => {
    received.clear();
    expect(await recipients({ refused: true })).toEqual([]);
    expect(received.totals.email).toEqual({ accepted: 0, refused: 0 });
  });
});
