import { inAppChannel } from '@carillon/channel-in-app';
import { runDispatcher } from '@carillon/delivery-dispatcher';

await runDispatcher(inAppChannel);
