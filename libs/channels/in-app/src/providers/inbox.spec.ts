import { describe } from '@jest/globals';
import { describeProvider } from '@carillon/testing';
import { inbox } from './inbox.js';

describe('inbox', () => {
  describeProvider(inbox, {
    channel: null,
    settings: () => ({}),
    wrongCredentials: null,
    rendered: {
      title: 'Parcel on its way',
      body: 'It has left Rotterdam.',
      url: 'https://acme.test/parcels/7',
      imageUrl: null,
      data: {},
    },
    // Nothing leaves the installation: there is nobody to refuse, slow down or fall silent.
    addresses: {
      accepted: ['01890000-0000-7000-8000-0000000000aa', '01890000-0000-7000-8000-0000000000bb'],
      refused: null,
      deferred: null,
      rateLimited: null,
      resetAfter: null,
      silent: null,
    },
    webhook: null,
  });
});
