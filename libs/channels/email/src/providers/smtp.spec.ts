import { describe } from '@jest/globals';
import { describeProvider } from '@carillon/testing';
import { smtp } from './smtp.js';

describe('smtp', () => {
  describeProvider(smtp, {
    channel: 'email',
    settings: ({ smtpPort }) => ({
      endpoint: `smtp://127.0.0.1:${smtpPort}`,
      username: 'postmaster',
      password: 'correct horse battery',
      from: 'Acme <hello@acme.test>',
    }),
    wrongCredentials: ({ smtpPort }) => ({
      endpoint: `smtp://127.0.0.1:${smtpPort}`,
      username: 'postmaster',
      password: 'wrong',
      from: 'Acme <hello@acme.test>',
    }),
    rendered: {
      from: null,
      replyTo: null,
      subject: 'Your parcel has left Rotterdam',
      html: '<p>It should arrive on Thursday.</p>',
      text: 'It should arrive on Thursday.',
      attachments: [],
    },
    addresses: {
      accepted: ['ada@example.test', 'grace@example.test'],
      refused: { to: 'bounce@example.test', reason: 'recipient_unknown' },
      deferred: 'full@example.test',
      // A mail server has no way to say when to come back.
      rateLimited: null,
      resetAfter: 'reset-after@example.test',
      silent: 'silent@example.test',
    },
    webhook: null,
  });
});
