/** Six journeys to begin with. They say what they send themselves, so that they work before there are templates. */
import type { JourneyDefinition } from '@carillon/contracts';

export interface Ready {
  key: string;
  name: string;
  means: string;
  definition: JourneyDefinition;
}
const rest: Pick<JourneyDefinition, 'zone' | 'mostStay' | 'exits' | 'priority'> = {
  zone: 'person',
  mostStay: '365d',
  exits: [],
  priority: 50,
};
const mail = (subject: string, text: string) => ({ email: { subject, text } });

export const ready: Ready[] = [
  {
    key: 'welcome',
    name: 'Welcome',
    means: 'Greets who signs up, and asks two days later whether they have begun.',
    definition: {
      ...rest,
      entry: { kind: 'event', event: 'user.signed_up' },
      reentry: { kind: 'never' },
      goal: { name: 'Began', on: { event: 'project.created' }, ends: true },
      start: 'welcome',
      steps: {
        welcome: {
          kind: 'send',
          name: 'Welcome',
          channels: ['email'],
          class: 'transactional',
          content: mail('Welcome', 'Good to have you here. The first step takes two minutes.'),
          next: 'two-days',
        },
        'two-days': { kind: 'wait', for: '2d', next: 'morning' },
        morning: {
          kind: 'wait',
          name: 'Until a morning',
          until: { time: '09:00', days: ['mon', 'tue', 'wed', 'thu', 'fri'] },
          next: 'help',
        },
        help: {
          kind: 'send',
          name: 'Offer help',
          channels: ['email'],
          class: 'marketing',
          content: mail('May we help you begin?', 'Answer this mail with whatever holds you up.'),
        },
      },
    },
  },
  {
    key: 'abandoned-cart',
    name: 'Abandoned cart',
    means: 'Reminds an hour after the last change of a cart, unless it is ordered.',
    definition: {
      ...rest,
      entry: { kind: 'event', event: 'cart.updated' },
      reentry: { kind: 'after', wait: '1d' },
      mostStay: '7d',
      goal: { name: 'Ordered', on: { event: 'order.placed' }, ends: true },
      exits: [{ name: 'Cart emptied', on: { event: 'cart.emptied' } }],
      start: 'settle',
      steps: {
        settle: {
          kind: 'listen',
          name: 'Still busy with it?',
          for: [{ on: { event: 'cart.updated' }, next: 'settle' }],
          within: '1h',
          otherwise: 'remind',
        },
        remind: {
          kind: 'send',
          name: 'Remind',
          channels: ['email'],
          class: 'marketing',
          content: mail('You left something', 'Your cart waits for you.'),
          next: 'a-day',
        },
        'a-day': { kind: 'wait', for: '1d', next: 'worth-it' },
        'worth-it': {
          kind: 'condition',
          name: 'Worth more?',
          branches: [{ name: 'Above 100', if: { data: ['event', 'total'], above: 100 }, next: 'discount' }],
          otherwise: null,
        },
        discount: {
          kind: 'send',
          name: 'Free delivery',
          channels: ['email'],
          class: 'marketing',
          content: mail('Free delivery today', 'We bring it for nothing if you order today.'),
        },
      },
    },
  },
  {
    key: 'login-code',
    name: 'Login code',
    means: 'A code by push; by SMS when it is not delivered, by email at last.',
    definition: {
      ...rest,
      entry: { kind: 'event', event: 'login.code_requested' },
      reentry: { kind: 'always' },
      mostStay: '1d',
      start: 'code',
      steps: {
        code: {
          kind: 'send',
          name: 'Code',
          channels: ['push', 'sms', 'email'],
          until: 'delivered',
          patience: '30s',
          class: 'transactional',
          content: {
            push: { title: 'Your code', body: '{{ event.code }}' },
            sms: { body: 'Your code: {{ event.code }}' },
            email: { subject: 'Your code: {{ event.code }}', text: 'Your code is {{ event.code }}.' },
          },
        },
      },
    },
  },
  {
    key: 'win-back',
    name: 'Win back',
    means: 'Whoever enters the audience of lapsed people: one of two offers, then a list.',
    definition: {
      ...rest,
      entry: { kind: 'audience', audience: 'lapsed', change: 'enter' },
      reentry: { kind: 'after', wait: '180d' },
      mostStay: '60d',
      goal: { name: 'Came back', on: { event: 'order.placed' }, ends: true },
      start: 'which',
      steps: {
        which: {
          kind: 'split',
          name: 'Which offer?',
          shares: [
            { name: 'Discount', percent: 50, next: 'discount' },
            { name: 'News', percent: 50, next: 'news' },
          ],
        },
        discount: {
          kind: 'send',
          name: 'Discount',
          channels: ['email'],
          class: 'marketing',
          content: mail('10 % for you', 'It has been a while. This is for your next order.'),
          next: 'clicked',
        },
        news: {
          kind: 'send',
          name: 'What is new',
          channels: ['email'],
          class: 'marketing',
          content: mail('What you missed', 'Much has changed since you were here.'),
          next: 'clicked',
        },
        clicked: {
          kind: 'listen',
          name: 'Any sign?',
          for: [{ on: { message: 'clicked' }, next: null }],
          within: '14d',
          otherwise: 'asleep',
        },
        asleep: { kind: 'update', name: 'Mark as asleep', attributes: { asleep: true } },
      },
    },
  },
  {
    key: 'order-updates',
    name: 'Order updates',
    means: 'One journey per order: placed, sent, arrived; each order apart.',
    definition: {
      ...rest,
      entry: { kind: 'event', event: 'order.placed' },
      perKey: 'orderId',
      reentry: { kind: 'never' },
      mostStay: '60d',
      exits: [{ name: 'Cancelled', on: { event: 'order.cancelled' } }],
      start: 'thanks',
      steps: {
        thanks: {
          kind: 'send',
          name: 'Thanks',
          channels: ['email'],
          class: 'transactional',
          content: mail('Thank you for your order', 'We have order {{ event.orderId }}.'),
          next: 'shipping',
        },
        shipping: {
          kind: 'listen',
          name: 'Until it is sent',
          for: [{ on: { event: 'order.shipped' }, next: 'on-its-way' }],
          within: '14d',
          otherwise: 'late',
        },
        'on-its-way': {
          kind: 'send',
          name: 'On its way',
          channels: ['push', 'email'],
          until: 'delivered',
          class: 'transactional',
          content: {
            push: { title: 'On its way', body: 'Order {{ event.orderId }} has left us.' },
            ...mail('On its way', 'Order {{ event.orderId }} has left us.'),
          },
        },
        late: {
          kind: 'emit',
          name: 'Tell the shop',
          event: 'order.late',
          properties: { orderId: { from: ['event', 'orderId'] } },
        },
      },
    },
  },
  {
    key: 'appointment',
    name: 'Appointment reminder',
    means: 'A day before and an hour before the appointment; a new time starts anew.',
    definition: {
      ...rest,
      entry: { kind: 'event', event: 'appointment.booked' },
      perKey: 'appointmentId',
      reentry: { kind: 'after' },
      exits: [{ name: 'Cancelled', on: { event: 'appointment.cancelled' } }],
      start: 'day-before',
      steps: {
        'day-before': {
          kind: 'wait',
          name: 'A day before',
          until: { data: ['event', 'at'], shift: '-1d' },
          next: 'tomorrow',
          otherwise: 'hour-before',
        },
        tomorrow: {
          kind: 'send',
          name: 'Tomorrow',
          channels: ['email'],
          class: 'transactional',
          content: mail('Tomorrow', 'We see you tomorrow.'),
          next: 'hour-before',
        },
        'hour-before': {
          kind: 'wait',
          name: 'An hour before',
          until: { data: ['event', 'at'], shift: '-1h' },
          next: 'soon',
          otherwise: null,
        },
        soon: {
          kind: 'send',
          name: 'In an hour',
          channels: ['sms', 'email'],
          until: 'delivered',
          patience: '2m',
          class: 'transactional',
          content: {
            sms: { body: 'We see you in an hour.' },
            ...mail('In an hour', 'We see you in an hour.'),
          },
        },
      },
    },
  },
];
/** The least there can be. */
export const blank: JourneyDefinition = {
  ...rest,
  entry: { kind: 'api' },
  reentry: { kind: 'after' },
  start: 'end',
  steps: { end: { kind: 'end', outcome: 'done' } },
};
export const keyFrom = (name: string): string =>
  name
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 100);
