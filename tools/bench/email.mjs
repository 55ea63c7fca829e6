/**
 * `npm run bench -- email`: a mail of 34 kB, rendered and handed over by SMTP to a sink in a process of its own, beside the
 * floor of the same run: the same bytes, made beforehand, over as many connections, envelope in one write. The provider
 * as the dispatcher calls it, List-Unsubscribe on, once signed with DKIM as well. Needs no instance. nodemailer's pool stands beside it.
 */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createTransport } from 'nodemailer';
import { machine, median, round, startPart, startProfile, table } from './harness.mjs';
import { input } from './parts/mail.mjs';

export const alone = true;
const MAILS = 10_000;
const ROUNDS = 5;
const CONNECTIONS = 5;

export default async function email({ profile }) {
  const sink = await startPart('smtp-sink');
  try {
    const { port } = sink.ready;
    const { emailChannel } = await import('../../libs/channels/email/dist/index.js');
    // As in a run: everybody has data of his own, which came as JSON, and the content is one.
    const { content } = input(0);
    const messages = Array.from({ length: 1000 }, (_, n) => ({
      input: { ...JSON.parse(JSON.stringify(input(n))), content },
      ...outgoing(n),
    }));
    const ours = provider(emailChannel, port);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const dkimKey = privateKey.export({ format: 'pem', type: 'pkcs8' });
    const signing = provider(emailChannel, port, { dkimKey, dkimSelector: 'bench' });
    const runs = {
      'floor: the same bytes, pipelined, 5 connections': (count) => floor(port, count),
      'rendered here and sent, lists of 100': (count) => ours.send(messages, count),
      'the same, signed with DKIM here (RSA-2048)': (count) => signing.send(messages, count / 2),
      'nodemailer, pool of 5': (count) => viaNodemailer(emailChannel, port, messages, count / 20),
    };
    const figures = Object.fromEntries(Object.keys(runs).map((name) => [name, []]));
    const endProfile = await startProfile(profile);
    for (let n = 0; n <= ROUNDS; n++) {
      for (const [name, run] of Object.entries(runs)) {
        await sink.ask({});
        const [cpu, from] = [process.cpuUsage(), performance.now()];
        const count = await run(n === 0 ? MAILS / 5 : MAILS);
        const seconds = (performance.now() - from) / 1000;
        const { user, system } = process.cpuUsage(cpu);
        const told = await sink.ask({});
        if (told.mails !== count) throw new Error(`${name}: ${told.mails} of ${count} arrived`);
        if (n === 0) continue;
        figures[name].push({
          perSecond: count / seconds,
          us: (user + system) / count,
          sinkUs: told.cpuUs / count,
          bytes: told.bytes / count,
        });
      }
    }
    await endProfile('email');
    ours.close();
    signing.close();
    const of = (name, key) => median(figures[name].map((f) => f[key]));
    console.log(`${machine()}; ${MAILS} mails, median of ${ROUNDS} rounds, one after another\n`);
    table([
      ['email', 'mails/s', 'least to most', 'sender CPU µs', 'sink CPU µs', 'bytes'],
      ...Object.keys(runs).map((name) => {
        const rates = figures[name].map((f) => f.perSecond);
        return [
          name,
          round(of(name, 'perSecond')),
          `${round(Math.min(...rates))} to ${round(Math.max(...rates))}`,
          round(of(name, 'us')),
          round(of(name, 'sinkUs')),
          round(of(name, 'bytes')),
        ];
      }),
    ]);
    const [base, own] = Object.keys(runs);
    const ratios = figures[own].map((f, i) => f.perSecond / figures[base][i].perSecond);
    console.log(`\nof the floor: ${median(ratios).toFixed(2)}`);
  } finally {
    await sink.stop();
  }
}

const outgoing = (n) => {
  const deliveryId = `01990000-0000-7000-8000-${String(n).padStart(12, '0')}`;
  return { deliveryId, attemptId: deliveryId, address: `u${n}@example.com`, messageClass: 'marketing' };
};

function provider(channel, port, more = {}) {
  const smtp = channel.providers.find(({ name }) => name === 'smtp');
  const kept = new Map();
  const closers = [];
  const context = {
    account: { id: 'bench', revision: '1', workspaceId: 'bench', name: 'bench' },
    settings: { endpoint: `smtp://127.0.0.1:${port}`, from: 'News <news@example.com>', ...more },
    net: { connect: () => connected(port) },
    signal: new AbortController().signal,
    keep(key, make, close) {
      if (!kept.has(key)) {
        const made = make();
        kept.set(key, made);
        closers.push(() => close(made));
      }
      return kept.get(key);
    },
  };
  return {
    async send(messages, count) {
      let next = 0;
      await Promise.all(
        Array.from({ length: 2 }, async () => {
          while (next < count) {
            const at = next;
            next += 100;
            const list = Array.from({ length: 100 }, (_, i) => {
              const message = messages[(at + i) % messages.length];
              return { ...message, rendered: channel.render(message.input, true).rendered };
            });
            const outcomes = await smtp.send(list, context);
            const bad = outcomes.find(({ kind }) => kind !== 'accepted');
            if (bad) throw new Error(JSON.stringify(bad));
          }
        }),
      );
      return next;
    },
    close: () => closers.forEach((close) => close()),
  };
}

async function connected(port) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}

/** Nothing is rendered, encoded or understood: answers are counted. */
async function floor(port, count) {
  const { writtenMail } = await import('../../libs/channels/email/dist/providers/mime.js');
  const { emailChannel } = await import('../../libs/channels/email/dist/index.js');
  const { rendered } = emailChannel.render(input(1), true);
  const slab = Buffer.allocUnsafe(1_000_000);
  const mail = writtenMail(
    `Subject: x\r\n${'X-Filler: as long as the other\r\n'.repeat(12)}`,
    rendered.text,
    rendered.html,
  );
  const body = Buffer.from(slab.subarray(0, mail.write(slab, 0)));
  const envelope = 'MAIL FROM:<news@example.com>\r\nRCPT TO:<u1@example.com>\r\nDATA\r\n';
  let left = count;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = await connected(port);
      await new Promise((resolve, reject) => {
        let heard = '';
        let lines = -2; // the greeting, and EHLO's five as one
        socket.setEncoding('latin1');
        socket.on('error', reject);
        socket.on('data', (text) => {
          heard += text;
          for (let at = heard.indexOf('\n'); at !== -1; at = heard.indexOf('\n')) {
            const line = heard.slice(0, at);
            heard = heard.slice(at + 1);
            if (line[3] === '-') continue;
            lines++;
            if (lines === 0) {
              if (left-- > 0) socket.write(envelope);
              else return resolve(socket.destroy());
            } else if (lines === 3) socket.write(body);
            else if (lines === 4) {
              lines = 0;
              if (left-- > 0) socket.write(envelope);
              else return resolve(socket.destroy());
            }
          }
        });
        socket.write('EHLO bench\r\n');
      });
    }),
  );
  return count;
}

async function viaNodemailer(channel, port, messages, count) {
  const transport = createTransport({
    pool: true,
    host: '127.0.0.1',
    port,
    maxConnections: CONNECTIONS,
    ignoreTLS: true,
  });
  const send = async (n) => {
    const message = messages[n % messages.length];
    const { rendered } = channel.render(message.input, true);
    await transport.sendMail({
      from: 'News <news@example.com>',
      to: message.address,
      subject: rendered.subject,
      text: String(rendered.text),
      html: String(rendered.html),
    });
  };
  await Promise.all(Array.from({ length: count }, (_, n) => send(n)));
  transport.close();
  return count;
}
