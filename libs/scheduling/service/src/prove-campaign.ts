/**
 * Proofs: what a campaign says, sent to a few people to look at. Ordinary messages of source `test`: they pass holdouts,
 * quiet hours and caps, count for none of them, and are in no numbers of the campaign.
 */
import { SendMessage, type CampaignProofs, type Channel } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import type { Acceptance, SendRequest } from '@carillon/delivery-service';
import { campaignById } from './campaign-rows.js';
import { saidBy } from './prepare-campaign.js';

interface Proof {
  profile: string;
  channel: Channel;
  variant: string | null;
  message: unknown;
}

/** @returns null when there is no such campaign */
export async function proofsOf(
  sql: Sql,
  workspaceId: string,
  id: string,
  profiles: readonly string[],
): Promise<Proof[] | null> {
  const campaign = await campaignById(sql, workspaceId, id);
  if (!campaign) return null;
  const { definition } = campaign;
  const { said } = await saidBy(sql, workspaceId, definition);
  return profiles.flatMap((profile) =>
    said.flatMap((voice) =>
      voice.channels.map((channel) => ({
        profile,
        channel,
        variant: voice.variant,
        message: {
          to: { profile },
          channels: [channel],
          ...(voice.template
            ? { template: { key: voice.template.key, version: voice.template.version } }
            : { content: voice.content }),
          data: voice.data,
          class: definition.class,
          ...(definition.topic ? { topic: definition.topic } : {}),
          ...(definition.replyTo ? { replyTo: definition.replyTo } : {}),
          ...(channel === 'email' && definition.attachments ? { attachments: definition.attachments } : {}),
        },
      })),
    ),
  );
}

/** @param once the same word again sends nothing again */
export async function sendProofs(
  acceptance: Pick<Acceptance, 'acceptAll'>,
  workspaceId: string,
  campaignId: string,
  proofs: readonly Proof[],
  once: string | null = null,
): Promise<CampaignProofs> {
  const answer: CampaignProofs = { sent: [], refused: [] };
  const requests = proofs.flatMap(({ message, profile, channel, variant }) => {
    const read = SendMessage.safeParse(message);
    if (!read.success) {
      answer.refused.push({
        profile,
        channel,
        message: read.error.issues[0]?.message ?? 'It is no message.',
      });
      return [];
    }
    const request: SendRequest = {
      message: read.data,
      idempotencyKey: once && [once, profile, channel, variant].filter(Boolean).join(' '),
      source: { kind: 'test', id: campaignId },
    };
    return [{ request, profile, channel, variant }];
  });
  const results = await acceptance.acceptAll(
    workspaceId,
    requests.map((r) => r.request),
  );
  results.forEach((result, n) => {
    const { profile, channel, variant } = requests[n]!;
    if (result.ok) answer.sent.push({ profile, channel, variant, messageId: result.message.id });
    else answer.refused.push({ profile, channel, message: result.detail });
  });
  return answer;
}
