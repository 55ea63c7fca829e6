import { describe } from '@jest/globals';
import { describeProvider } from '@carillon/testing';
import { generateKeyPairSync } from 'node:crypto';
import { fcm } from './fcm.js';

const { privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
const serviceAccount = (client: string) =>
  JSON.stringify({
    type: 'service_account',
    project_id: 'acme-parcels',
    client_email: `${client}@acme-parcels.iam.gserviceaccount.com`,
    private_key: privateKey,
  });

describe('fcm', () => {
  describeProvider(fcm, {
    channel: 'push',
    settings: ({ url }) => ({ serviceAccount: serviceAccount('sender'), endpoint: url }),
    wrongCredentials: ({ url }) => ({ serviceAccount: serviceAccount('wrong'), endpoint: url }),
    rendered: {
      title: 'Parcel on its way',
      body: 'It has left Rotterdam.',
      url: 'https://acme.test/parcels/7',
      imageUrl: null,
      data: { parcel: 'parcel-0007' },
      collapseKey: null,
    },
    addresses: {
      accepted: ['device-of-ada-000001', 'device-of-grace-00002'],
      refused: { to: 'token-unregistered-1', reason: 'device_unregistered' },
      deferred: 'token-unavailable-1',
      rateLimited: { to: 'token-quota-1', retryAfterMs: 2000 },
      resetAfter: 'token-reset-after-1',
      silent: 'token-silent-1',
    },
    webhook: null,
  });
});
