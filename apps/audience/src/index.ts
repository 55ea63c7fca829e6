/** What the standalone process mounts of this service. */
export { AudienceWorkerModule } from '@carillon/audience-service';
