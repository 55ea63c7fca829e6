/**
 * Six journeys to begin with: the dashboard offers them, docs/journeys.md explains them, `npm run demo -- journey` plays them.
 * They say what they send themselves, so that they work before there are templates.
 *
 * ```ts
 * import { readyJourneys, welcome } from '@carillon/sdk/ready';
 * await carillon.journeys.save(welcome);
 * ```
 */
import { event } from './audience.js';
import { data, enters, from, journey, outcome, type BuiltJourney } from './journey.js';

export interface ReadyJourney extends BuiltJourney {
  /** What it does, in a sentence. */
  readonly means: string;
}

// ── as they stand in docs/journeys.md ──
export const welcome = journey('welcome', 'Welcome')
  .on(event('user.signed_up'))
  .reentry('never')
  .goal('Began', event('project.created'))
  .send({
    as: 'welcome',
    name: 'Welcome',
    channels: ['email'],
    class: 'transactional',
    content: {
      email: { subject: 'Welcome', text: 'Good to have you here. The first step takes two minutes.' },
    },
  })
  .wait('2d', { as: 'two-days' })
  .wait(
    { time: '09:00', days: ['mon', 'tue', 'wed', 'thu', 'fri'] },
    { as: 'morning', name: 'Until a morning' },
  )
  .send({
    as: 'help',
    name: 'Offer help',
    channels: ['email'],
    class: 'marketing',
    content: {
      email: { subject: 'May we help you begin?', text: 'Answer this mail with whatever holds you up.' },
    },
  });

export const abandonedCart = journey('abandoned-cart', 'Abandoned cart')
  .on(event('cart.updated'))
  .reentry('after', '1d')
  .mostStay('7d')
  .goal('Ordered', event('order.placed'))
  .exitWhen('Cart emptied', event('cart.emptied'))
  .listen(
    '1h',
    { on: event('cart.updated'), then: (j) => j.goTo('settle') },
    (j) =>
      j.send({
        as: 'remind',
        name: 'Remind',
        channels: ['email'],
        class: 'marketing',
        content: { email: { subject: 'You left something', text: 'Your cart waits for you.' } },
      }),
    { as: 'settle', name: 'Still busy with it?' },
  )
  .wait('1d', { as: 'a-day' })
  .choose(
    [
      {
        name: 'Above 100',
        if: data('event', 'total').above(100),
        then: (j) =>
          j.send({
            as: 'discount',
            name: 'Free delivery',
            channels: ['email'],
            class: 'marketing',
            content: {
              email: {
                subject: 'Free delivery today',
                text: 'We bring it for nothing if you order today.',
              },
            },
          }),
      },
    ],
    undefined,
    { as: 'worth-it', name: 'Worth more?' },
  );

export const loginCode = journey('login-code', 'Login code')
  .on(event('login.code_requested'))
  .reentry('always')
  .mostStay('1d')
  .send({
    as: 'code',
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
  });

export const winBack = journey('win-back', 'Win back')
  .on(enters('lapsed'))
  .reentry('after', '180d')
  .mostStay('60d')
  .goal('Came back', event('order.placed'))
  .split(
    {
      Discount: [
        50,
        (j) =>
          j.send({
            as: 'discount',
            name: 'Discount',
            channels: ['email'],
            class: 'marketing',
            content: {
              email: {
                subject: '10 % for you',
                text: 'It has been a while. This is for your next order.',
              },
            },
          }),
      ],
      News: [
        50,
        (j) =>
          j.send({
            as: 'news',
            name: 'What is new',
            channels: ['email'],
            class: 'marketing',
            content: {
              email: { subject: 'What you missed', text: 'Much has changed since you were here.' },
            },
          }),
      ],
    },
    { as: 'which', name: 'Which offer?' },
  )
  .listen('14d', { on: outcome('clicked'), then: (j) => j.end('clicked', { as: 'interested' }) }, undefined, {
    as: 'clicked',
    name: 'Any sign?',
  })
  .update({ asleep: true }, { as: 'asleep', name: 'Mark as asleep' });

export const orderUpdates = journey('order-updates', 'Order updates')
  .on(event('order.placed'))
  .perKey('orderId')
  .reentry('never')
  .mostStay('60d')
  .exitWhen('Cancelled', event('order.cancelled'))
  .send({
    as: 'thanks',
    name: 'Thanks',
    channels: ['email'],
    class: 'transactional',
    content: {
      email: { subject: 'Thank you for your order', text: 'We have order {{ event.orderId }}.' },
    },
  })
  .listen(
    '14d',
    {
      on: event('order.shipped'),
      then: (j) =>
        j.send({
          as: 'on-its-way',
          name: 'On its way',
          channels: ['push', 'email'],
          until: 'delivered',
          class: 'transactional',
          content: {
            push: { title: 'On its way', body: 'Order {{ event.orderId }} has left us.' },
            email: { subject: 'On its way', text: 'Order {{ event.orderId }} has left us.' },
          },
        }),
    },
    (j) => j.emit('order.late', { orderId: from('event', 'orderId') }, { as: 'late', name: 'Tell the shop' }),
    { as: 'shipping', name: 'Until it is sent' },
  );

export const appointment = journey('appointment', 'Appointment reminder')
  .on(event('appointment.booked'))
  .perKey('appointmentId')
  .reentry('after')
  .exitWhen('Cancelled', event('appointment.cancelled'))
  .wait(
    { data: ['event', 'at'], shift: '-1d' },
    { as: 'day-before', name: 'A day before', otherwise: (j) => j.goTo('hour-before') },
  )
  .send({
    as: 'tomorrow',
    name: 'Tomorrow',
    channels: ['email'],
    class: 'transactional',
    content: { email: { subject: 'Tomorrow', text: 'We see you tomorrow.' } },
  })
  .wait(
    { data: ['event', 'at'], shift: '-1h' },
    { as: 'hour-before', name: 'An hour before', otherwise: (j) => j.end('past', { as: 'past' }) },
  )
  .send({
    as: 'soon',
    name: 'In an hour',
    channels: ['sms', 'email'],
    until: 'delivered',
    patience: '2m',
    class: 'transactional',
    content: {
      sms: { body: 'We see you in an hour.' },
      email: { subject: 'In an hour', text: 'We see you in an hour.' },
    },
  });
// ── until here ──

const ready = (built: BuiltJourney, means: string): ReadyJourney => ({
  key: built.key,
  name: built.name,
  means,
  definition: built.definition,
});
/** All six. */
export const readyJourneys: readonly ReadyJourney[] = [
  ready(welcome, 'Greets who signs up, and asks two days later whether they have begun.'),
  ready(abandonedCart, 'Reminds an hour after the last change of a cart, unless it is ordered.'),
  ready(loginCode, 'A code by push; by SMS when it is not delivered, by email at last.'),
  ready(winBack, 'Whoever enters the audience of lapsed people: one of two offers, then a sign or sleep.'),
  ready(orderUpdates, 'One journey per order: placed, sent, or late; each order apart.'),
  ready(appointment, 'A day before and an hour before; each appointment apart.'),
];
