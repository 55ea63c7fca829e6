/** What a worker holds: a delivery that only it may act on, and what its message says. */
import type {
  Channel,
  ContentByChannel,
  Lane,
  MessageClass,
  RouteStep,
  Source,
  Tracking,
} from '@carillon/contracts';
import type { RenderInput } from '@carillon/delivery-rules';

/** How long a worker owns what it claimed without saying so again. */
export const LEASE_SECONDS = 10;

export interface Claimed {
  day: string;
  id: string;
  workspaceId: string;
  messageId: string;
  profileId: string | null;
  channel: Channel;
  messageClass: MessageClass;
  lane: Lane;
  topic: string | null;
  templateId: string | null;
  templateVersion: number | null;
  address: string | null;
  /** The fence: every later write names it. */
  attempt: number;
  tries: number;
  lastAccountId: string | null;
  routeStep: number;
  expiresAt: Date | null;
  createdAt: Date;
  redrivenAt: Date | null;
  source: Source;
}
export interface MessageOptions {
  replyTo?: string;
  attachments?: RenderInput['attachments'][number][];
  tracking?: Tracking;
  priority?: number;
}
/** What it says, from its message. */
export interface MessageFacts {
  content: ContentByChannel | null;
  data: Record<string, unknown>;
  options: MessageOptions;
  route: RouteStep[] | null;
  deliveryIds: string[];
  sendAt: Date | null;
}
