/** What goes into a push: title and text for the person, data for the app. Pure. */
import { cannotRender, rendering, type RenderInput, type RenderResult } from '@carillon/delivery-rules';

export interface RenderedPush {
  title: string;
  body: string;
  url: string | null;
  imageUrl: string | null;
  data: Record<string, string>;
  /** Later messages with the same key replace earlier ones on the device. */
  collapseKey: string | null;
}

/** FCM's and APNs' limit for what a message carries, in bytes. */
const PAYLOAD_BYTES = 4096;
/** Room for what the provider adds: the delivery's id and the names around it. */
const OWN_BYTES = 128;
/** https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages: words that data may not use as keys. */
const reservedKey = /^(from|message_type)$|^(google|gcm)/;
/** APNs: apns-collapse-id, in bytes. */
const COLLAPSE_BYTES = 64;

export function render(input: RenderInput, here = false): RenderResult<RenderedPush> {
  return rendering(
    input,
    ({ shown, link }) => {
      const at = '/content/push';
      const content = input.content.push;
      if (!content) throw cannotRender('template_error', 'There is no content for push.', at);
      const { data = {}, collapseKey = null } = content;
      for (const key of Object.keys(data)) {
        if (reservedKey.test(key) || key === 'deliveryId' || key === 'url') {
          throw cannotRender(
            'content_refused',
            `The key ${key} is taken; choose another.`,
            `${at}/data/${key}`,
          );
        }
      }
      if (collapseKey !== null && Buffer.byteLength(collapseKey) > COLLAPSE_BYTES) {
        throw cannotRender('content_refused', `At most ${COLLAPSE_BYTES} bytes.`, `${at}/collapseKey`);
      }
      const rendered: RenderedPush = {
        title: shown(content.title, `${at}/title`),
        body: shown(content.body, `${at}/body`),
        url: link(content.url, `${at}/url`),
        imageUrl: link(content.imageUrl, `${at}/imageUrl`),
        data,
        collapseKey,
      };
      if (!rendered.title.trim() && !rendered.body.trim()) {
        throw cannotRender('content_refused', 'Title and body come out empty.', `${at}/title`);
      }
      const bytes = Buffer.byteLength(JSON.stringify(rendered)) + OWN_BYTES;
      if (bytes > PAYLOAD_BYTES) {
        throw cannotRender('too_large', `It takes ${bytes} bytes; a push carries ${PAYLOAD_BYTES}.`, at);
      }
      return rendered;
    },
    here,
  );
}
