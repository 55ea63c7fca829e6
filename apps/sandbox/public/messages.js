/** What was received as a person would see it: lines of a list, an open mail, a phone with texts, a lock screen. */
import { arrowKeys, avatar, h, nameOf, refusedBadge, size, time } from './elements.js';

/** One line of the list for a mail or a phone. */
export const lineOf = ({ latest, items }) =>
  ({ email: mailLine, sms: smsLine, push: pushLine })[latest.channel](latest, items);
const mailLine = (mail) => [
  avatar(nameOf(mail.sender || mail.from)),
  h('span', { className: 'who' }, nameOf(mail.sender || mail.from)),
  time(mail.at),
  h(
    'span',
    { className: 'what' },
    refusedBadge(mail),
    mail.accepted ? '' : ' ',
    mail.subject || (mail.size ? '(no subject)' : mail.answer),
  ),
  h('span', { className: 'snippet' }, `to ${mail.to}${mail.snippet && ` — ${mail.snippet}`}`),
];
const phoneLine = (item, items, text) => [
  avatar(item.to.replace(/^token-/, ''), item.channel === 'push' ? 'square' : ''),
  h('span', { className: 'who' }, item.to),
  time(item.at),
  h('span', { className: 'what' }, refusedBadge(item), item.accepted ? '' : ' ', text),
  h(
    'span',
    { className: 'snippet' },
    `${items.length} ${items.length === 1 ? 'message' : 'messages'} · ${item.accepted ? (item.status ?? 'accepted') : item.answer}`,
  ),
];
const smsLine = (sms, items) => phoneLine(sms, items, sms.body);
const pushLine = (push, items) => phoneLine(push, items, push.title ?? push.body ?? 'Data only');

/** The message or phone itself; undefined when the server no longer has it. */
export const viewOf = (group) =>
  ({ email: mailView, sms: smsView, push: pushView })[group.latest.channel](group);

// ——— Mail

/** The part that was looked at last: whoever compares headers wants them in the next mail too. */
let part = 'mail';
async function mailView({ latest }) {
  const answer = await fetch(`/sandbox/received/${encodeURIComponent(latest.id)}`);
  if (!answer.ok) return undefined;
  const mail = await answer.json();
  const parts = {
    mail: [
      'Mail',
      () =>
        mail.html
          ? h('iframe', {
              title: 'The mail as it looks',
              src: `/sandbox/received/${mail.id}/html`,
              sandbox: 'allow-popups allow-popups-to-escape-sandbox',
              referrerPolicy: 'no-referrer',
            })
          : h('pre', {}, mail.text || 'The server refused this mail before its content was sent.'),
    ],
    text: ['Text', () => h('pre', {}, mail.text || 'This mail has no text part.')],
    headers: ['Headers', () => headerTable(mail.header)],
    source: [
      'Source',
      () =>
        h('iframe', {
          title: 'The mail as it was sent',
          src: `/sandbox/received/${mail.id}/raw`,
          sandbox: '',
        }),
    ],
  };
  const panel = h('div', { className: 'part', role: 'tabpanel' });
  const tabs = h('div', { className: 'parts', role: 'tablist', 'aria-label': 'Parts of the mail' });
  const choose = (name) => {
    part = name;
    for (const tab of tabs.children) {
      tab.setAttribute('aria-selected', String(tab.dataset.part === name));
      tab.tabIndex = tab.dataset.part === name ? 0 : -1;
    }
    const files = name === 'mail' && mail.attachments.length ? [fileList(mail.attachments)] : [];
    panel.replaceChildren(...files, parts[name][1]());
  };
  for (const [name, [label]] of Object.entries(parts))
    tabs.append(
      h('button', { type: 'button', role: 'tab', data: { part: name }, onclick: () => choose(name) }, label),
    );
  arrowKeys(tabs);
  choose(part);
  return [
    h(
      'div',
      { className: 'mail-head' },
      h('h1', {}, mail.subject || (mail.size ? '(no subject)' : 'Refused before the content')),
      h(
        'div',
        { className: 'envelope' },
        avatar(nameOf(mail.sender || mail.from)),
        h('div', {}, (mail.sender || mail.from).replace(/^"([^"]*)"/, '$1')),
        time(mail.at),
        h('div', { className: 'to' }, `to ${mail.to} · ${size(mail.size)}`),
      ),
      h('p', { className: `answer ${mail.accepted ? '' : 'bad'}` }, mail.answer),
      tabs,
    ),
    panel,
  ];
}

const fileList = (files) =>
  h(
    'ul',
    { className: 'files' },
    ...files.map((f) => h('li', {}, `${f.filename} `, h('small', {}, size(f.size)))),
  );
const headerTable = (header) =>
  h(
    'table',
    { className: 'headers' },
    h(
      'tbody',
      {},
      ...Object.entries(header).map(([name, value]) =>
        h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, value)),
      ),
    ),
  );

// ——— Phones

const smsView = ({ key, items }) => [
  h(
    'div',
    { className: 'stage' },
    h(
      'div',
      { className: 'phone' },
      h('header', {}, avatar(key), h('strong', {}, key)),
      h(
        'ol',
        { className: 'bubbles' },
        ...[...items].reverse().flatMap((sms) => [bubble(sms), ...replies(sms)]),
      ),
      replyForm(
        key,
        items.find((sms) => sms.accepted),
      ),
    ),
  ),
];

/** What is being written on each phone: it is drawn anew while somebody types. */
const drafts = new Map();
function replyForm(phone, latest) {
  if (!latest) return null;
  const text = h('input', {
    name: 'reply',
    placeholder: 'Write back: STOP, HELP, START …',
    'aria-label': `Write back from ${phone}`,
    autocomplete: 'off',
    maxLength: 1600,
    value: drafts.get(phone) ?? '',
    oninput: () => drafts.set(phone, text.value),
  });
  const fault = h('p', { className: 'error', role: 'alert', hidden: true });
  const write = async () => {
    if (!text.value.trim()) return text.focus();
    const answer = await fetch(`/sandbox/received/${encodeURIComponent(latest.id)}/replies`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ body: text.value }),
    });
    fault.hidden = answer.ok;
    if (!answer.ok) return (fault.textContent = (await answer.json()).detail);
    drafts.delete(phone);
    const shown = document.querySelector('.reply input');
    if (shown) shown.value = '';
  };
  return h(
    'form',
    {
      className: 'reply',
      onsubmit: (event) => {
        event.preventDefault();
        void write();
      },
    },
    text,
    h('button', { 'aria-label': 'Send', title: 'Send' }, '↑'),
    fault,
  );
}
/** What the phone wrote, and what the webhook wants to be said back. */
const replies = (sms) =>
  sms.replies.flatMap(({ at, body, answer, answered }) => [
    h(
      'li',
      { className: 'own' },
      time(at),
      h('div', { className: 'bubble' }, body),
      h(
        'div',
        { className: 'facts' },
        answer.startsWith('2')
          ? h('span', { className: 'good' }, '✓ taken by the webhook')
          : h('span', { className: 'bad' }, `webhook failed: ${answer}`),
      ),
    ),
    answered !== null && h('li', {}, h('div', { className: 'bubble' }, answered)),
  ]);
function bubble(sms) {
  const end = ['undelivered', 'failed'].includes(sms.status)
    ? 'bad'
    : sms.status === 'delivered'
      ? 'good'
      : '';
  const status = sms.accepted
    ? `${sms.status === 'delivered' ? '✓ ' : ''}${sms.status}${sms.errorCode ? ` (${sms.errorCode})` : ''}`
    : `refused: ${sms.answer}`;
  const failed = sms.callbacks.filter(({ answer }) => !answer.startsWith('2'));
  return h(
    'li',
    { className: sms.accepted ? '' : 'refused' },
    time(sms.at),
    h('div', { className: 'bubble' }, sms.body || '(no text)'),
    h(
      'div',
      { className: 'facts' },
      h('span', { className: sms.accepted ? end : 'bad' }, status),
      h('span', {}, `from ${sms.from ?? sms.messagingServiceSid}`),
      h('span', {}, `${sms.segments} ${sms.segments === 1 ? 'segment' : 'segments'}, ${sms.encoding}`),
      sms.callbacks.length > 0 &&
        h(
          'span',
          { className: failed.length ? 'bad' : '' },
          failed.length
            ? `callback failed: ${failed.at(-1).answer}`
            : `${sms.callbacks.length} ${sms.callbacks.length === 1 ? 'callback' : 'callbacks'} made`,
        ),
      sms.accepted && sms.answer.startsWith('201')
        ? null
        : sms.accepted && h('span', { className: 'bad' }, sms.answer),
    ),
  );
}

function pushView({ key, items }) {
  const latest = new Date(items[0].at);
  return [
    h(
      'div',
      { className: 'stage' },
      h(
        'div',
        { className: 'phone lock' },
        h(
          'div',
          { className: 'clock' },
          h('b', {}, latest.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })),
          h(
            'span',
            {},
            latest.toLocaleDateString('en-GB', { weekday: 'long', day: 'numeric', month: 'long' }),
          ),
        ),
        h('ol', { className: 'cards', 'aria-label': `Notifications on ${key}` }, ...items.map(card)),
      ),
    ),
  ];
}
function card(push) {
  const picture =
    push.image && /^https?:/.test(push.image)
      ? h('img', { src: push.image, alt: '', referrerPolicy: 'no-referrer' })
      : null;
  return h(
    'li',
    { className: `card ${push.accepted ? '' : 'refused'}` },
    h('div', { className: 'app' }, avatar(push.project), push.project, refusedBadge(push), time(push.at)),
    push.title && h('h3', {}, push.title),
    h('p', {}, push.body ?? (push.title ? '' : 'Data only: the app decides what to show.')),
    picture,
    !push.accepted && h('p', { className: 'answer bad' }, push.answer),
    h('details', {}, h('summary', {}, 'What was sent'), h('pre', {}, JSON.stringify(push.message, null, 2))),
  );
}
