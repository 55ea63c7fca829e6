/** A template while somebody edits it: plain text per field, and the way from and to what the API knows. Pure. */
import {
  channels,
  type Channel,
  type ContentByChannel,
  type Preview,
  type TemplateVariable,
  type TemplateVersion,
} from '@carillon/contracts';

export interface FieldSpec {
  name: string;
  label: string;
  kind: 'line' | 'area' | 'liquid' | 'json';
  required?: boolean;
  description?: string;
}
export const fieldSpecs: Record<Channel, FieldSpec[]> = {
  email: [
    { name: 'subject', label: 'Subject', kind: 'line', required: true },
    {
      name: 'preheader',
      label: 'Preheader',
      kind: 'line',
      description: 'Shown after the subject in a mailbox list.',
    },
    {
      name: 'from',
      label: 'From',
      kind: 'line',
      description: 'Name <address>. Empty: the sender of the provider account.',
    },
    {
      name: 'html',
      label: 'HTML',
      kind: 'liquid',
      description: 'Liquid HTML, or MJML when it starts with <mjml>.',
    },
    { name: 'text', label: 'Text', kind: 'liquid', description: 'Empty: made from the HTML.' },
  ],
  sms: [
    {
      name: 'body',
      label: 'Text',
      kind: 'liquid',
      required: true,
      description: 'Segments are counted after rendering.',
    },
  ],
  push: [
    { name: 'title', label: 'Title', kind: 'line', required: true },
    { name: 'body', label: 'Body', kind: 'area', required: true },
    { name: 'url', label: 'Link', kind: 'line', description: 'Opened when the person taps it.' },
    { name: 'imageUrl', label: 'Picture', kind: 'line', description: 'An http(s) address.' },
    {
      name: 'collapseKey',
      label: 'Collapse key',
      kind: 'line',
      description: 'A newer one replaces an older one.',
    },
    { name: 'data', label: 'Data for the app', kind: 'json', description: 'JSON, handed over as it is.' },
  ],
  'in-app': [
    { name: 'title', label: 'Title', kind: 'line', required: true },
    { name: 'body', label: 'Body', kind: 'area', required: true },
    { name: 'url', label: 'Link', kind: 'line', description: 'Opened when the person clicks it.' },
    { name: 'imageUrl', label: 'Picture', kind: 'line', description: 'An http(s) address.' },
    { name: 'data', label: 'Data for the app', kind: 'json', description: 'JSON, handed over as it is.' },
  ],
};

export type ChannelDraft = Record<string, string>;
export type ContentDraft = Partial<Record<Channel, ChannelDraft>>;
export interface Draft {
  name: string;
  content: ContentDraft;
  locales: Record<string, ContentDraft>;
}
export const emptyDraft: Draft = { name: '', content: {}, locales: {} };

const contentDraft = (content: ContentByChannel): ContentDraft =>
  Object.fromEntries(
    channels.flatMap((channel) => {
      const fields = content[channel];
      return fields
        ? [
            [
              channel,
              Object.fromEntries(
                Object.entries(fields).map(([name, value]) => [
                  name,
                  typeof value === 'string' ? value : JSON.stringify(value, null, 2),
                ]),
              ),
            ],
          ]
        : [];
    }),
  );
export const draftOf = (name: string, version: TemplateVersion): Draft => ({
  name,
  content: contentDraft(version.content),
  locales: Object.fromEntries(
    Object.entries(version.locales).map(([locale, content]) => [locale, contentDraft(content)]),
  ),
});

/** Fields that cannot be sent as they are, by name. */
export const faults = (channel: Channel, draft: ChannelDraft): Record<string, string> => {
  const found: Record<string, string> = {};
  for (const { name, label, kind, required } of fieldSpecs[channel]) {
    const typed = draft[name]?.trim() ?? '';
    if (required && !typed) found[name] = `${label} is needed.`;
    if (kind === 'json' && typed && readJson(typed).error) found[name] = 'Write valid JSON.';
  }
  if (channel === 'email' && !draft.html?.trim() && !draft.text?.trim())
    found.html = 'Give HTML, text, or both.';
  return found;
};
export const readJson = (text: string): { value?: unknown; error?: string } => {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
};
const channelContent = (channel: Channel, draft: ChannelDraft): Record<string, unknown> =>
  Object.fromEntries(
    fieldSpecs[channel].flatMap(({ name, kind }) => {
      const typed = draft[name] ?? '';
      if (!typed.trim()) return [];
      return [[name, kind === 'json' ? readJson(typed).value : typed]];
    }),
  );
/** What the API takes; call it when `faults` finds nothing. The API checks it again. */
export const contentFrom = (draft: ContentDraft): ContentByChannel =>
  Object.fromEntries(
    channels.flatMap((channel) => {
      const fields = draft[channel];
      return fields ? [[channel, channelContent(channel, fields)]] : [];
    }),
  ) as ContentByChannel;

export interface FieldError {
  message: string;
  line?: number;
  column?: number;
}
/** "… line 3, column 12", "…, line:1, col:4" → where it is. Lines and columns count from one. */
export const placeIn = (message: string): Pick<FieldError, 'line' | 'column'> => {
  const line = /\bline:?\s*(\d+)/i.exec(message)?.[1];
  const column = /\bcol(?:umn)?:?\s*(\d+)/i.exec(message)?.[1];
  return { line: line ? Number(line) : undefined, column: column ? Number(column) : undefined };
};
/** Errors of the API sorted to the fields of one channel; `other` belongs to none of them. */
export const sortErrors = (
  channel: Channel,
  errors: readonly { pointer: string; message: string }[],
): { fields: Record<string, FieldError[]>; other: string[] } => {
  const fields: Record<string, FieldError[]> = {};
  const other: string[] = [];
  const names = new Set(fieldSpecs[channel].map(({ name }) => name));
  for (const { pointer, message } of errors) {
    const parts = pointer.split('/').filter(Boolean);
    const at = parts.indexOf(channel);
    const elsewhere = parts.some(
      (part) => part !== channel && (channels as readonly string[]).includes(part),
    );
    const bare = elsewhere || parts[0] === 'data' ? undefined : parts.at(-1);
    const name = at >= 0 ? parts[at + 1] : bare;
    if (name && names.has(name)) (fields[name] ??= []).push({ message, ...placeIn(message) });
    else other.push(message);
  }
  return { fields, other };
};
export type PreviewErrors = Preview['errors'];

/** Data to begin a preview with: the examples, else the name itself, which shows where it stands. */
export const exampleData = (variables: readonly TemplateVariable[]): Record<string, unknown> => {
  const data: Record<string, unknown> = {};
  const blank = { number: 0, boolean: true, object: {}, array: [] } as const;
  for (const { name, type, example } of variables) {
    // "order.id" is a path into an object.
    const path = name.split('.');
    const last = path.pop();
    let place = data;
    for (const part of path) {
      const inner = place[part];
      place = (
        typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? inner : (place[part] = {})
      ) as Record<string, unknown>;
    }
    if (last && !(last in place))
      place[last] = example ?? (type === 'string' || type === 'unknown' ? last : blank[type]);
  }
  return data;
};

/** "Order shipped!" → "order-shipped" */
export const keyFrom = (name: string): string =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\u0300-\u036f]/g, '')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 100);
