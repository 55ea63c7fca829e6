/** What stands in a person's inbox: title, text, where a click leads. Text, never HTML: the reader's page escapes it. Pure. */
import { cannotRender, rendering, type RenderInput, type RenderResult } from '@carillon/delivery-rules';

export interface RenderedInApp {
  title: string;
  body: string;
  url: string | null;
  imageUrl: string | null;
  data: Record<string, unknown>;
}

const MOST_BYTES = 32 * 1024;

export function render(input: RenderInput, here = false): RenderResult<RenderedInApp> {
  return rendering(
    input,
    ({ shown, link }) => {
      const at = '/content/in-app';
      const content = input.content['in-app'];
      if (!content) throw cannotRender('template_error', 'There is no content for in-app.', at);
      const rendered: RenderedInApp = {
        title: shown(content.title, `${at}/title`),
        body: shown(content.body, `${at}/body`),
        url: link(content.url, `${at}/url`),
        imageUrl: link(content.imageUrl, `${at}/imageUrl`),
        data: content.data ?? {},
      };
      const bytes = Buffer.byteLength(JSON.stringify(rendered));
      if (bytes > MOST_BYTES) {
        throw cannotRender('too_large', `It takes ${bytes} bytes; an inbox item has ${MOST_BYTES}.`, at);
      }
      return rendered;
    },
    here,
  );
}
