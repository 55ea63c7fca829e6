/** The scheduling service as a process of its own. */
import { SchedulingModule } from '@carillon/scheduling-service';
import { runService } from '@carillon/server';

await runService({ name: 'scheduling', module: SchedulingModule, services: ['scheduling'] });
