/**
 * What keeps a template from being rendered fast, said when it is saved or read: Liquid that is not compiled, and HTML whose
 * text part can only be made from each mail. Called by templates.ts.
 */
import { needsConversion } from '@carillon/channel-email';
import { channels, type ContentByChannel, type ProblemError } from '@carillon/contracts';
import { compileTemplate, pointerOf, TemplateError } from '@carillon/content';
import type { CompiledContent } from './compile-template.js';

/** With pointers into the body of the save. Empty: the template is compiled as a whole. */
export function slowParts({ content, locales }: CompiledContent): ProblemError[] {
  return [
    ...slowIn(content, '/content'),
    ...Object.entries(locales).flatMap(([tag, own]) => slowIn(own, `/locales${pointerOf([tag])}`)),
  ];
}

function slowIn(content: ContentByChannel, pointer: string): ProblemError[] {
  const found: ProblemError[] = [];
  const look = (value: unknown, at: string): void => {
    if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) look(inner, at + pointerOf([key]));
    }
    if (typeof value !== 'string' || !value.includes('{')) return;
    const outside = whatIsOutside(value, /\/email\/(?:html|preheader)$/.test(at));
    if (!outside) return;
    const line = outside.line > 1 ? ` (line ${outside.line})` : '';
    const message = `${outside.what}${line} is not compiled: each message is rendered by a process apart, which takes longer`;
    found.push({ pointer: at, code: 'sandboxed', message });
  };
  const { html, text } = content.email ?? {};
  if (html !== undefined && text === undefined && needsConversion(html)) {
    const message =
      'Liquid stands where the HTML has no text, so the text part is made from each mail anew: write a text';
    found.push({ pointer: `${pointer}/email/html`, code: 'sandboxed', message });
  }
  for (const channel of channels) look(content[channel], `${pointer}/${channel}`);
  return found;
}

function whatIsOutside(source: string, html: boolean): ReturnType<typeof compileTemplate>['outside'] {
  try {
    return compileTemplate(source, { html }).outside;
  } catch (error) {
    // Saved by an older release that let it pass; sending says what is wrong.
    if (error instanceof TemplateError) return undefined;
    throw error;
  }
}
