/** The audience service as a process of its own. */
import { AudienceWorkerModule } from '@carillon/audience-service';
import { runService } from '@carillon/server';

await runService({ name: 'audience', module: AudienceWorkerModule, services: ['audience'] });
