/** Signed addresses that leave with a message: status callbacks of providers, and the one-click unsubscribe. */
import { unsubscribeUrls } from '@carillon/audience-service';
import { config } from '@carillon/config';
import type { Channel, MessageClass, Tracking } from '@carillon/contracts';
import { createCipheriv, createHmac, hkdfSync, timingSafeEqual, type Cipher } from 'node:crypto';
import type { RenderInput, TrackingPolicy } from '@carillon/delivery-rules';
import { trackingOf } from '@carillon/delivery-rules';

export interface Links {
  publicUrl: string;
  webhookUrl: string;
  /** The first signs; all verify. */
  signingKeys: readonly [Buffer, ...Buffer[]];
}

/** The links of this installation. */
export const links = (): Links => {
  const { api, secrets } = config();
  return {
    publicUrl: api.publicUrl,
    webhookUrl: api.webhookUrl,
    signingKeys: [secrets.signingKey, ...secrets.previousSigningKeys],
  };
};

const mac = (key: Buffer, accountId: string, deliveryId: string): Buffer =>
  createHmac('sha256', key).update(`callback:${accountId}:${deliveryId}`).digest().subarray(0, 16);

/** Where a provider reports on this delivery. The signature keeps a stranger from naming another delivery. */
export function callbackLink(
  links: Links,
  account: { id: string; channel: Channel; provider: string },
  deliveryId: string,
): string {
  const signature = mac(links.signingKeys[0], account.id, deliveryId).toString('base64url');
  return `${links.webhookUrl}/v1/webhooks/${account.channel}/${account.provider}/${account.id}?delivery=${deliveryId}&signature=${signature}`;
}

/** The delivery that a callback names, if its signature is ours. */
export function verifyCallback(
  links: Links,
  accountId: string,
  query: { delivery?: string | undefined; signature?: string | undefined },
): string | null {
  const { delivery, signature } = query;
  if (!delivery || !signature) return null;
  const given = Buffer.from(signature, 'base64url');
  return links.signingKeys.some(
    (key) => given.length === 16 && timingSafeEqual(given, mac(key, accountId, delivery)),
  )
    ? delivery
    : null;
}

const ID_BYTES = 16;
/** What a token is for: opens and clicks, or the page that shows the whole mail. Neither opens the other's door. */
export type TokenUse = 'track' | 'view';

const macs = new WeakMap<Buffer, Record<TokenUse, Cipher>>();
/**
 * One block of AES under a key of one use is the signature of an id, which is one block: the cipher is a pseudo-random
 * function of it. Kept open, it takes a fifth of an HMAC's time, and every mail of a campaign gets two.
 */
function macOf(signingKey: Buffer, use: TokenUse, id: Uint8Array): Buffer {
  let ciphers = macs.get(signingKey);
  if (!ciphers) {
    const cipher = (of: TokenUse) =>
      createCipheriv(
        'aes-256-ecb',
        Buffer.from(hkdfSync('sha256', signingKey, '', `carillon mail ${of}`, 32)),
        null,
      ).setAutoPadding(false);
    macs.set(signingKey, (ciphers = { track: cipher('track'), view: cipher('view') }));
  }
  return ciphers[use].update(id);
}

const slab = Buffer.allocUnsafe(2 * ID_BYTES);

/** The token of a delivery for one use. */
export const deliveryToken = (links: Links, deliveryId: string, use: TokenUse): string =>
  deliveryTokens(links, [deliveryId], use)[0]!;

/** Signed at once: that is a call of Node's for all of them. */
function deliveryTokens({ signingKeys }: Links, deliveryIds: readonly string[], use: TokenUse): string[] {
  const ids = Buffer.from(deliveryIds.join('').replaceAll('-', ''), 'hex');
  const macs = macOf(signingKeys[0], use, ids);
  return deliveryIds.map((_, n) => {
    for (let i = 0, at = ID_BYTES * n; i < ID_BYTES; i++, at++) {
      slab[i] = ids[at]!;
      slab[ID_BYTES + i] = macs[at]!;
    }
    return slab.toString('base64url');
  });
}

/** @returns the delivery that a token names, or null when it is not ours, was changed, or is for something else */
export function readDeliveryToken(
  signingKeys: readonly Buffer[],
  token: string,
  use: TokenUse,
): string | null {
  const bytes = Buffer.from(token, 'base64url');
  // One spelling only: a link with trailing junk is not ours.
  if (bytes.length !== 2 * ID_BYTES || bytes.toString('base64url') !== token) return null;
  const id = bytes.subarray(0, ID_BYTES);
  const ours = signingKeys.some((key) => timingSafeEqual(bytes.subarray(ID_BYTES), macOf(key, use, id)));
  return ours ? id.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') : null;
}

/** What the links of a message are made of. */
export interface Linked {
  id: string;
  workspaceId: string;
  channel: Channel;
  messageClass: MessageClass;
  profileId: string | null;
  address: string | null;
  topic: string | null;
  /** How the workspace wants opens and clicks counted, and the message itself. */
  tracking: { policy: TrackingPolicy | null | undefined; own: Tracking | undefined };
}

/**
 * The links that the messages of a list, all of one channel, may print. The one to unsubscribe (RFC 8058) ends the topic of the
 * message, or all marketing on the channel; an email is also counted, and shown on a page.
 */
export function linksToPrint(links: Links, list: readonly Linked[]): LinksToPrint[] {
  // Field by field, here and below: copying the rest of an object takes as long as sealing.
  const urls = unsubscribeUrls(
    links,
    list.map((d) => ({
      deliveryId: d.id,
      workspaceId: d.workspaceId,
      channel: d.channel,
      profileId: d.profileId,
      address: d.address,
      topic: d.topic ?? 'marketing',
    })),
  );
  if (list[0]?.channel !== 'email') return urls.map((unsubscribeUrl) => ({ unsubscribeUrl }));
  const ids = list.map(({ id }) => id);
  const [views, marks] = [deliveryTokens(links, ids, 'view'), deliveryTokens(links, ids, 'track')];
  return list.map(({ messageClass, tracking }, i) => {
    const wanted = trackingOf(messageClass, tracking.policy, tracking.own);
    return {
      unsubscribeUrl: urls[i]!,
      viewUrl: `${links.publicUrl}/v/${views[i]}`,
      tracking: wanted
        ? {
            opens: wanted.opens,
            clicks: wanted.clicks,
            utm: wanted.utm,
            url: links.publicUrl,
            token: marks[i]!,
          }
        : undefined,
    };
  });
}
export type LinksToPrint = Pick<RenderInput, 'unsubscribeUrl' | 'viewUrl' | 'tracking'>;
