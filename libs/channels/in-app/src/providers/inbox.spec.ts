import { expect, it } from '@jest/globals';
import { describeProvider, sendContext } from '@carillon/testing';
import { inbox } from './inbox.js';

const rendered = {
  title: 'Parcel on its way',
  body: 'It has left Rotterdam.',
  url: 'https://acme.test/parcels/7',
  imageUrl: null,
  data: { parcel: 7 },
};

describeProvider(inbox, {
  channel: null,
  transport: null,
  settings: () => ({}),
  wrongCredentials: null,
  rendered,
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

it('puts an item into the feed of the profile, once, and calls it delivered', async () => {
  const test = sendContext({});
  const message = {
    deliveryId: '01890000-0000-7000-8000-000000000001',
    attemptId: '01890000-0000-7000-8000-000000000001',
    address: '01890000-0000-7000-8000-0000000000aa',
    messageClass: 'transactional' as const,
    rendered,
  };
  const [first] = await inbox.send([message], test.context);
  const [again] = await inbox.send([message], test.context);
  expect(first).toMatchObject({ kind: 'accepted', delivered: true });
  expect(again).toEqual(first);
  expect(test.inbox).toEqual([{ deliveryId: message.deliveryId, profileId: message.address, ...rendered }]);
  await test.close();
});

it('knows for certain what it holds and what it does not', async () => {
  const test = sendContext({});
  const deliveryId = '01890000-0000-7000-8000-000000000002';
  const address = '01890000-0000-7000-8000-0000000000aa';
  await inbox.send(
    [{ deliveryId, attemptId: deliveryId, address, messageClass: 'marketing', rendered }],
    test.context,
  );
  const asked = (id: string) => ({ deliveryId: id, address, handedOverAt: new Date(), content: null });
  expect(
    await inbox.lookup?.([asked(deliveryId), asked('01890000-0000-7000-8000-000000000003')], test.context),
  ).toMatchObject([{ kind: 'found', status: 'delivered', providerMessageId: 'item-1' }, { kind: 'absent' }]);
  await test.close();
});
