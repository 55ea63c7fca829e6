/**
 * Every service in one process, with the sandbox beside them: what `npm start` runs. Reports its addresses to the
 * launcher when it is ready, and ends when the launcher does.
 */
import { api, apiWorkers } from '@carillon/api';
import { AudienceWorkerModule } from '@carillon/audience';
import { config } from '@carillon/config';
import { channels, type Service } from '@carillon/contracts';
import { Database, ensurePartitions } from '@carillon/database';
import { DispatcherModule } from '@carillon/delivery-dispatcher';
import { channelShapes } from '@carillon/delivery-service';
import { startSandbox } from '@carillon/sandbox';
import { SchedulingModule } from '@carillon/scheduling';
import { startApi, untilStopped } from '@carillon/server';
import { seed } from './seed.js';

const services: Service[] = [
  'api',
  'audience',
  'scheduling',
  ...channels.map((channel) => `dispatcher-${channel}` as const),
];

await untilStopped(async () => {
  const { database: place, sandbox: sandboxPlace } = config();
  const database = new Database({ url: place.url, max: 2, name: 'carillon seed' });
  const sandbox = await startSandbox({
    host: sandboxPlace.host,
    port: sandboxPlace.port,
    smtpPort: sandboxPlace.smtpPort,
  });
  try {
    await ensurePartitions(database);
    const development = await seed(database, {
      url: sandbox.url,
      smtpUrl: `smtp://127.0.0.1:${sandbox.smtpPort}`,
    });
    const running = await startApi({
      ...api,
      name: 'standalone',
      modules: [
        ...api.modules,
        ...apiWorkers,
        AudienceWorkerModule,
        DispatcherModule.forChannels(Object.values(channelShapes)),
        SchedulingModule,
      ],
      services,
    });
    process.send?.({
      ready: true,
      urls: {
        dashboard: running.url,
        docs: `${running.url}/docs`,
        sandbox: sandbox.url,
        smtp: `smtp://127.0.0.1:${sandbox.smtpPort}`,
      },
      signIn: { email: development.email, password: development.password },
      apiKey: development.apiKey,
    });
    return {
      close: async () => {
        await running.close();
        await sandbox.close();
      },
    };
  } catch (error) {
    await sandbox.close();
    throw error;
  } finally {
    await database.close();
  }
});
