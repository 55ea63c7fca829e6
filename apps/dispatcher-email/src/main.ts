import { emailChannel } from '@carillon/channel-email';
import { runDispatcher } from '@carillon/delivery-dispatcher';

await runDispatcher(emailChannel);
