/** Files of people, or of addresses that must not be written to: uploaded in parts, worked in the background. */
import { z } from 'zod';
import { AudienceKey } from './audiences.js';
import { suppressionReasons } from './lists.js';
import { Id, PageQuery, Time } from './page.js';

export const importKinds = ['profiles', 'suppressions'] as const;
export const importStates = ['uploading', 'queued', 'running', 'done', 'failed', 'cancelled'] as const;
export const encodings = ['utf-8', 'utf-16le', 'utf-16be', 'windows-1252'] as const;
/** A part is at most this many bytes; the largest request body of the installation may be smaller. */
export const IMPORT_PART_BYTES = 1_000_000;

const column = z.string().min(1).max(200);
export const ImportMapping = z
  .strictObject({
    externalId: column.optional().describe('Of profiles; must be there.'),
    email: column.optional(),
    phone: column.optional(),
    locale: column.optional(),
    timezone: column.optional(),
    attributes: z
      .record(
        z.string().min(1).max(100),
        z.union([column, z.strictObject({ column, type: z.enum(['text', 'number', 'boolean', 'date']) })]),
      )
      .optional()
      .describe('Attribute to column; text unless a type is given.'),
    allAttributes: column
      .optional()
      .describe('A column of JSON objects with all attributes, as the export of an audience has it.'),
    address: column.optional().describe('Of suppressions: an email address, a phone number, or @domain.'),
    reason: column.optional().describe('Of suppressions.'),
  })
  .meta({ id: 'ImportMapping', description: 'Which column fills which field.' });
export type ImportMapping = z.infer<typeof ImportMapping>;

const options = {
  kind: z.enum(importKinds).default('profiles'),
  format: z.enum(['csv', 'jsonl']).optional().describe('Found out from the file unless said.'),
  encoding: z.enum(encodings).optional().describe('Found out from the file unless said.'),
  delimiter: z.enum([',', ';', '\t', '|']).optional().describe('Found out from the first line unless said.'),
  mapping: ImportMapping.optional().describe('By the usual names of columns unless said.'),
  unknownColumns: z
    .enum(['attributes', 'ignore'])
    .default('attributes')
    .describe('What columns become that no mapping names, where it is not given.'),
};
export const ImportCreate = z
  .strictObject({
    name: z.string().trim().min(1).max(255).describe('Of the file, for the history.'),
    bytes: z
      .int()
      .min(0)
      .optional()
      .describe('Of the file: a file that is too large is refused before it is sent.'),
    audience: AudienceKey.optional().describe(
      'A list: everybody whom the file makes, changes or names enters it. Of profiles.',
    ),
    ...options,
  })
  .refine(({ kind, audience }) => kind === 'profiles' || audience === undefined, {
    path: ['audience'],
    message: 'Leave this out: a file of suppressions holds addresses, and only people enter a list.',
  })
  .meta({ id: 'ImportCreate' });
export const ImportPreviewRequest = z
  .strictObject({
    head: z.base64().max(400_000).describe('The beginning of the file, in base64; 64 KiB will do.'),
    complete: z.boolean().default(false).describe('That is the whole file.'),
    ...options,
  })
  .meta({ id: 'ImportPreviewRequest' });
export type ImportCreate = z.infer<typeof ImportCreate>;
export type ImportPreviewRequest = z.infer<typeof ImportPreviewRequest>;

const BadRow = z.object({ line: z.number(), reason: z.string(), cells: z.array(z.string()) });
export const ImportPreview = z
  .object({
    format: z.enum(['csv', 'jsonl']),
    encoding: z.string(),
    delimiter: z.string().nullable(),
    headings: z.array(z.string()),
    mapping: ImportMapping.nullable().describe(
      'What will be used; null when no column says who a row is about.',
    ),
    problem: z.string().nullable().describe('Why the file cannot be taken like this.'),
    rows: z
      .array(z.object({ line: z.number(), row: z.unknown() }))
      .describe('Up to ten, as they would be stored.'),
    bad: z.array(BadRow).describe('Bad ones among the first rows.'),
  })
  .meta({ id: 'ImportPreview' });
export type ImportPreview = z.infer<typeof ImportPreview>;

export const Import = z
  .object({
    id: Id,
    kind: z.enum(importKinds),
    name: z.string(),
    state: z.enum(importStates),
    problem: z.string().nullable().describe('Why it failed, in a sentence.'),
    mapping: ImportMapping.nullable(),
    bytes: z.object({ declared: z.number().nullable(), received: z.number(), read: z.number() }),
    parts: z.number().describe('Received so far: the next one has this number.'),
    rows: z.number(),
    created: z.number(),
    updated: z.number(),
    unchanged: z.number(),
    failed: z.number().describe('Bad rows; see errors.csv.'),
    audience: z.string().nullable().describe('The list that everybody of the file enters.'),
    joined: z.number().describe('Who entered it; who was on it already does not count.'),
    rate: z.number().nullable().describe('Rows a second.'),
    etaSeconds: z.number().nullable(),
    requestedBy: z.string(),
    createdAt: Time,
    startedAt: Time.nullable(),
    finishedAt: Time.nullable(),
  })
  .meta({ id: 'Import' });
export type Import = z.infer<typeof Import>;
export const ImportList = PageQuery.extend({ kind: z.enum(importKinds).optional() });
export const ImportSuppressionReason = z.enum(suppressionReasons);
