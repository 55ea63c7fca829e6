/** What the standalone process mounts of this service. */
export { SchedulingModule } from '@carillon/scheduling-service';
