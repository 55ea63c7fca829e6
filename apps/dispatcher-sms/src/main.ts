import { smsChannel } from '@carillon/channel-sms';
import { runDispatcher } from '@carillon/delivery-dispatcher';

await runDispatcher(smsChannel);
