/**
 * `npm run bench -- render`: a mail of 34 kB with 99 places, by the engines side by side: compiled pieces, the same to UTF-8
 * and to quoted-printable, our liquidjs, and the whole rendering of a message here. Needs no instance.
 */
import { machine, median, startProfile, table } from './harness.mjs';
import { input, longHtml as html } from './parts/mail.mjs';

export const alone = true;
const TIMES = 2_000;
const ROUNDS = 7;

export default async function render({ profile }) {
  const { compileTemplate } = await import('../../libs/content/dist/index.js');
  const { emailChannel } = await import('../../libs/channels/email/dist/index.js');
  const { writtenMail } = await import('../../libs/channels/email/dist/providers/mime.js');
  const template = compileTemplate(html, { html: true });
  if (template.outside) throw new Error(`not compiled: ${template.outside.what}`);
  const content = { email: { ...input(0).content.email, html } };
  const all = Array.from({ length: 100 }, (_, n) => ({ ...input(n), content }));
  const data = all.map(({ data: own, recipient, unsubscribeUrl }) => ({
    ...own,
    profile: recipient.attributes,
    unsubscribe_url: unsubscribeUrl,
  }));
  const marks = { url: 'https://mail.example.com', opens: true, clicks: true };
  const counted = all.map((one, n) => ({
    ...one,
    tracking: { ...marks, token: `token-of-forty-three-characters-like-all-${100 + n}` },
  }));
  const slab = Buffer.allocUnsafe(1_000_000);
  const [first] = data;
  const whole = template.render(first);
  if (String(template.segments(first)) !== whole) throw new Error('the engines differ');
  const onWire = ({ text, html: body }) => writtenMail('', text, body).write(slab, 0);
  const engines = {
    'compiled, pieces': (n) => template.segments(data[n]),
    'compiled, to UTF-8 bytes': (n) => template.segments(data[n]).writeTo(slab, 0),
    'compiled, to text and then to bytes': (n) => slab.write(String(template.segments(data[n])), 0),
    'compiled, to a mail on the wire (quoted-printable)': (n) =>
      writtenMail('', 'x', template.segments(data[n])).write(slab, 0),
    'whole message (subject, HTML, text, checks), in pieces': (n) => emailChannel.render(all[n], true),
    '… with its opens and clicks counted': (n) => emailChannel.render(counted[n], true),
    'whole message, to the wire': (n) => onWire(emailChannel.render(all[n], true).rendered),
    '… to the wire, counted': (n) => onWire(emailChannel.render(counted[n], true).rendered),
    'liquidjs, to text': (n) => template.render(data[n]),
    'liquidjs, to bytes': (n) => slab.write(template.render(data[n]), 0),
  };
  const figures = Object.fromEntries(Object.keys(engines).map((name) => [name, []]));
  const endProfile = await startProfile(profile);
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, run] of Object.entries(engines)) {
      const before = process.cpuUsage();
      for (let i = 0; i < TIMES; i++) run(i % 100);
      const { user, system } = process.cpuUsage(before);
      // The first round warms up.
      if (round > 0) figures[name].push((user + system) / TIMES);
    }
  }
  await endProfile('render');
  console.log(
    `${machine()}; ${Buffer.byteLength(whole)} bytes, ${html.match(/\{\{/g).length + 2 * 2} values; CPU, median of ${ROUNDS} rounds of ${TIMES}\n`,
  );
  table([
    ['engine', 'µs per mail', 'least', 'most'],
    ...Object.entries(figures).map(([name, us]) => [
      name,
      ...[median(us), Math.min(...us), Math.max(...us)].map((x) => x.toFixed(1)),
    ]),
  ]);
}
