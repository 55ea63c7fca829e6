/** Signed addresses that leave with a message: status callbacks of providers, and the one-click unsubscribe. */
import { unsubscribeUrl } from '@carillon/audience-service';
import { config } from '@carillon/config';
import type { Channel } from '@carillon/contracts';
import { createHmac, timingSafeEqual } from 'node:crypto';

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

/** RFC 8058. What it ends: the topic of the message, or all marketing on the channel. */
export const unsubscribeLink = (
  links: Links,
  delivery: {
    id: string;
    workspaceId: string;
    channel: Channel;
    profileId: string | null;
    address: string | null;
    topic: string | null;
  },
): string =>
  unsubscribeUrl(links, {
    workspaceId: delivery.workspaceId,
    deliveryId: delivery.id,
    channel: delivery.channel,
    profileId: delivery.profileId,
    address: delivery.address,
    topic: delivery.topic ?? 'marketing',
  });
