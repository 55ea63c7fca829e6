/**
 * Writing to the outbox: a row in the caller's own database, in the caller's own transaction. Takes whatever runs a
 * statement with parameters; knows no driver. The relay (relay.ts) reads what was committed.
 */
import { CarillonError } from './problems.js';
import type { AnyTemplates, Send } from './templates.js';

/** A `pg` client (or anything with its `query`), or a Prisma transaction client. */
export type OutboxTransaction =
  | { query(text: string, values: unknown[]): Promise<unknown> }
  | { $executeRawUnsafe(text: string, ...values: unknown[]): PromiseLike<unknown> };

export interface Outbox<Templates = AnyTemplates> {
  messages: {
    /**
     * Writes the message in the transaction. Nothing is sent before it commits, and nothing ever if it does not.
     * @returns its key: the idempotency key under which the relay sends it
     */
    send(message: Send<Templates>): Promise<{ idempotencyKey: string }>;
    /** Several by one statement. */
    sendBatch(messages: readonly Send<Templates>[]): Promise<{ idempotencyKey: string }[]>;
  };
}

const INSERT = `INSERT INTO carillon_outbox (id, idempotency_key, message)
SELECT u.id, u.idempotency_key, u.message::jsonb FROM unnest($1::uuid[], $2::text[], $3::text[]) AS u(id, idempotency_key, message)`;

/** The outbox of a transaction; `carillon.outbox(tx)` gives the same with your templates known. */
export function outbox<Templates = AnyTemplates>(tx: OutboxTransaction): Outbox<Templates> {
  const sendBatch = async (messages: readonly Send<Templates>[]): Promise<{ idempotencyKey: string }[]> => {
    if (messages.length === 0) return [];
    const rows = messages.map((message) => {
      const { idempotencyKey, ...body } = message as Send & { idempotencyKey?: string };
      const text = checked(body);
      const id = uuidv7();
      return { id, idempotencyKey: idempotencyKey ?? id, text };
    });
    const values = [
      rows.map((row) => row.id),
      rows.map((row) => row.idempotencyKey),
      rows.map((row) => row.text),
    ];
    if ('$executeRawUnsafe' in tx) await tx.$executeRawUnsafe(INSERT, ...values);
    else await tx.query(INSERT, values);
    return rows.map(({ idempotencyKey }) => ({ idempotencyKey }));
  };
  return {
    messages: {
      sendBatch,
      async send(message) {
        const [row] = await sendBatch([message]);
        if (!row) throw new CarillonError('The message was not written.');
        return row;
      },
    },
  };
}

/**
 * What would certainly be refused fails here, while the transaction can still be rolled back. The API judges the rest;
 * what it refuses stays in the outbox with its problem.
 */
function checked(message: unknown): string {
  const bad = (sentence: string) => new CarillonError(`The message cannot be sent: ${sentence}`);
  if (typeof message !== 'object' || message === null) throw bad('give an object.');
  const m = message as Record<string, unknown>;
  if (typeof m['to'] !== 'object' || m['to'] === null) throw bad('say to whom: to.');
  const list = (value: unknown) => Array.isArray(value) && value.length > 0;
  if (list(m['channels']) === list(m['route'])) throw bad('give either channels or route.');
  if ((m['content'] === undefined) === (m['template'] === undefined))
    throw bad('give either content or template.');
  // As text, so that a Date becomes what the API takes.
  const text = JSON.stringify(m);
  if (/(?<!\\)(\\\\)*\\u0000/.test(text))
    throw bad('it holds a NUL character, which PostgreSQL cannot keep.');
  return text;
}

/** RFC 9562 §5.7: rows stand in the order of their making, or nearly. */
function uuidv7(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  let ms = Date.now();
  for (let at = 5; at >= 0; at -= 1) {
    bytes[at] = ms % 256;
    ms = Math.floor(ms / 256);
  }
  bytes[6] = 0x70 | ((bytes[6] ?? 0) & 0x0f);
  bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
