/** Health and metrics of a service without an HTTP door of its own. Node's server: nothing here needs more. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isInsider } from './health.controller.js';
import type { Health } from './health.js';

export async function healthDoor(
  health: Health,
  host: string,
  port: number,
): Promise<{ url: string; close(): Promise<void> }> {
  const server = createServer(
    { requestTimeout: 10_000, headersTimeout: 5_000, connectionsCheckingInterval: 2_000 },
    (request, reply) => {
      const answer = async (): Promise<[number, string, string]> => {
        if (request.method !== 'GET' && request.method !== 'HEAD') return [405, 'text/plain', ''];
        if (request.url === '/health/live') return [200, 'application/json', '{"status":"ok"}'];
        if (!isInsider(request)) return [404, 'text/plain', ''];
        if (request.url === '/health/ready') {
          const readiness = await health.readiness();
          return [readiness.ready ? 200 : 503, 'application/json', JSON.stringify(readiness)];
        }
        if (request.url === '/metrics')
          return [200, health.registry.contentType, await health.registry.metrics()];
        return [404, 'text/plain', ''];
      };
      answer().then(
        ([status, type, body]) =>
          reply
            .writeHead(status, {
              'content-type': type,
              'cache-control': 'no-store',
              'x-content-type-options': 'nosniff',
            })
            .end(request.method === 'HEAD' ? '' : body),
        () => reply.writeHead(500).end(),
      );
    },
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  return {
    url: `http://${host}:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
