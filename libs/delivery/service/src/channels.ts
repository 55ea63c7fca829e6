/** The channels of this installation. A new one is a line here. */
import { emailChannel } from '@carillon/channel-email';
import { inAppChannel } from '@carillon/channel-in-app';
import { pushChannel } from '@carillon/channel-push';
import { smsChannel } from '@carillon/channel-sms';
import type { Channel as ChannelName } from '@carillon/contracts';
import type { Channel } from '@carillon/delivery-rules';

export const channelShapes: Readonly<Record<ChannelName, Channel>> = {
  email: emailChannel as Channel,
  sms: smsChannel as Channel,
  push: pushChannel as Channel,
  'in-app': inAppChannel as Channel,
};
