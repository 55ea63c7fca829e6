/**
 * What messages of a world say: found as the dispatcher finds it (inline, or of a template in the nearest locale), and checked
 * for what is missing as it is when a message is accepted and when it is rendered. Pure but for what it remembers.
 */
import { localeChain } from '@carillon/audience-rules';
import { missingVariables, TemplateError, variablesOf, type TemplateVariable } from '@carillon/content';
import type { ContentByChannel } from '@carillon/contracts';
import type { Recipient } from '@carillon/delivery-rules';
import type { WorldDelivery, WorldMessage } from './journey-world.js';

export interface WorldTemplate {
  key: string;
  version: number;
  content: ContentByChannel;
  locales: Readonly<Record<string, ContentByChannel>>;
}
export interface Said {
  content: ContentByChannel;
  template: WorldTemplate | null;
  /** The locale whose content it is; null for the default, and for what has no template. */
  locale: string | null;
}

/** Beside `data`; those of the person are looked at when it leaves. */
const GIVEN: readonly unknown[] = ['profile', 'unsubscribe_url', 'preferences_url', 'view_url'];

/** What one text of a content asks for. */
interface Asked {
  pointer: string;
  /** Of the message's data. */
  data: TemplateVariable[];
  /** Of the person. */
  profile: TemplateVariable[];
}

export class WorldContents {
  private readonly read = new WeakMap<object, Asked[]>();
  private readonly byRef = new Map<string, WorldTemplate>();

  /** @param templates of several versions of one key the last one is the newest */
  constructor(templates: readonly WorldTemplate[]) {
    for (const template of templates) {
      this.byRef.set(template.key, template);
      this.byRef.set(`${template.key}@${template.version}`, template);
    }
  }

  /** Why it cannot be accepted; null when it can. */
  refuses({ ask: { template: ref, content, data, channels, route } }: WorldMessage): string | null {
    const template = ref === undefined ? null : this.template(ref);
    if (template === undefined)
      return `/template: there is no template ${JSON.stringify(typeof ref === 'string' ? ref : ref?.key)}`;
    const all = template?.content ?? content ?? {};
    for (const channel of channels ?? route?.map((step) => step.channel) ?? []) {
      if (!all[channel]) return `/channels: there is no ${channel} content`;
      for (const { pointer, data: asked } of this.asks(all[channel], `/content/${channel}`)) {
        const [lacking] = missingVariables(asked, data);
        if (lacking)
          return `/data${lacking.pointer}: the content at ${pointer} needs ${lacking.path}: give it in data, or write {{ ${lacking.path} | default: "…" }}`;
      }
    }
    return null;
  }

  /** What it says to this person; null where there is nothing of the kind. */
  of({ message: { ask } }: WorldDelivery, { locale }: Recipient): Said | null {
    if (ask.template === undefined)
      return ask.content ? { content: ask.content, template: null, locale: null } : null;
    const template = this.template(ask.template);
    if (!template) return null;
    const tag = (locale ? localeChain(locale) : []).find((one) => template.locales[one]);
    // A locale may cover some channels only; the default covers the rest.
    const content = tag ? { ...template.content, ...template.locales[tag] } : template.content;
    return { content, template, locale: tag ?? null };
  }

  /** What of the person the content prints and they do not have; null when nothing is missing. */
  lacks(delivery: WorldDelivery, { content }: Said, recipient: Recipient): string | null {
    const asks = this.asks(content[delivery.channel], `/content/${delivery.channel}`);
    if (asks.every(({ profile }) => profile.length === 0)) return null;
    const { attributes, devices: _, profileId: __, ...own } = recipient;
    const given = Object.entries({ ...attributes, ...own }).filter(([, value]) => value !== null);
    const data = { profile: { ...Object.fromEntries(given), attributes } };
    for (const { profile } of asks) {
      const [lacking] = missingVariables(profile, data);
      if (lacking) return `${lacking.path} is not there`;
    }
    return null;
  }

  private template(ref: string | { key: string; version?: number | undefined }): WorldTemplate | undefined {
    if (typeof ref === 'string') return this.byRef.get(ref);
    return this.byRef.get(ref.version === undefined ? ref.key : `${ref.key}@${ref.version}`);
  }

  private asks(content: unknown, pointer: string): Asked[] {
    if (typeof content !== 'object' || content === null) return [];
    let known = this.read.get(content);
    if (!known) {
      known = textsIn(content, pointer).flatMap(({ pointer: at, text }) => {
        if (!text.includes('{{') && !text.includes('{%')) return [];
        try {
          const all = variablesOf(text, { html: at.endsWith('/html') });
          const data = all.filter(({ keys }) => !GIVEN.includes(keys[0]));
          const profile = all.filter(({ keys }) => keys[0] === 'profile' && keys.length > 1);
          return [{ pointer: at, data, profile }];
        } catch (error) {
          // What cannot be read is told where it is saved.
          if (error instanceof TemplateError) return [];
          throw error;
        }
      });
      this.read.set(content, known);
    }
    return known;
  }
}

function textsIn(value: unknown, pointer: string): { pointer: string; text: string }[] {
  if (typeof value === 'string') return [{ pointer, text: value }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => textsIn(inner, `${pointer}/${key}`));
}
