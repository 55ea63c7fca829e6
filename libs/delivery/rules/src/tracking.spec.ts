import { expect, it } from '@jest/globals';
import type { Tracking } from '@carillon/contracts';
import { trackingOf, type TrackingPolicy } from './tracking.js';

const none: TrackingPolicy = {};
it.each<[string, Parameters<typeof trackingOf>, ReturnType<typeof trackingOf>]>([
  ['marketing is counted', ['marketing', null, undefined], { opens: true, clicks: true, utm: undefined }],
  ['transactional mail is not', ['transactional', none, undefined], null],
  ['the workspace says no', ['marketing', { marketing: { opens: false, clicks: false } }, undefined], null],
  [
    'of another class',
    ['marketing', { transactional: { opens: false } }, undefined],
    { opens: true, clicks: true, utm: undefined },
  ],
  [
    'the message says yes',
    ['transactional', none, { clicks: true }],
    { opens: false, clicks: true, utm: undefined },
  ],
  [
    'the message has the last word',
    ['marketing', { marketing: { opens: true } }, { opens: false } satisfies Tracking],
    { opens: false, clicks: true, utm: undefined },
  ],
  [
    'parameters of both',
    [
      'transactional',
      { transactional: { utm: { source: 'shop', medium: 'email' } } },
      { utm: { source: 'news' } },
    ],
    { opens: false, clicks: false, utm: { source: 'news', medium: 'email' } },
  ],
])('%s', (_, given, wanted) => {
  expect(trackingOf(...given)).toEqual(wanted);
});
