/** What goes into an SMS: one text, counted in the segments that are paid for. Pure. */
import { smsSegments } from '@carillon/content';
import { cannotRender, rendering, type RenderInput, type RenderResult } from '@carillon/delivery-rules';

export interface RenderedSms {
  body: string;
  encoding: 'GSM-7' | 'UCS-2';
  segments: number;
}

/** No account may send more; an account's own limit may be lower. */
const MOST_SEGMENTS = 10;

export function render(input: RenderInput, here = false): RenderResult<RenderedSms> {
  return rendering(
    input,
    ({ shown, warn }) => {
      const pointer = '/content/sms/body';
      const content = input.content.sms;
      if (!content) throw cannotRender('template_error', 'There is no content for SMS.', '/content/sms');
      // Tabs are not in GSM-7: one would make the whole text dearer.
      const body = shown(content.body, pointer).replace(/\r\n?/g, '\n').replace(/\t/g, ' ').trim();
      if (!body) throw cannotRender('content_refused', 'The text comes out empty.', pointer);
      const { encoding, segments, unicodeCharacters } = smsSegments(body);
      if (segments > MOST_SEGMENTS) {
        const detail = `The text takes ${segments} segments; ${MOST_SEGMENTS} are the most.`;
        throw cannotRender('too_large', detail, pointer);
      }
      if (encoding === 'UCS-2' && segments > 1) {
        const few = unicodeCharacters.slice(0, 5).join(' ');
        warn(
          `It takes ${segments} segments, because ${few} cannot be written in the short alphabet (GSM-7).`,
        );
      }
      return { body, encoding, segments };
    },
    here,
  );
}
