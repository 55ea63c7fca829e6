import { pushChannel } from '@carillon/channel-push';
import { runDispatcher } from '@carillon/delivery-dispatcher';

await runDispatcher(pushChannel);
