/** The only HTTP door, as the standalone process mounts it too: every service's HTTP side, and the dashboard. */
import { AudienceHttpModule } from '@carillon/audience-service';
import { DeliveryHttpModule, WebhookWorkerModule } from '@carillon/delivery-service';
import { SchedulingHttpModule } from '@carillon/scheduling-service';
import type { ApiOptions } from '@carillon/server';
import { fileURLToPath } from 'node:url';

export const api = {
  name: 'api',
  modules: [AudienceHttpModule, DeliveryHttpModule, SchedulingHttpModule],
  services: ['api'],
  dashboard: fileURLToPath(new URL('../../dashboard/dist', import.meta.url)),
} as const satisfies ApiOptions;

/** What works in the background of the API's process. Left out where only its door is wanted. */
export const apiWorkers = [WebhookWorkerModule] as const;
