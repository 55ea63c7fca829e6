/**
 * The sandbox viewer. No build step, no library: the page asks for what it shows whenever the stream says that
 * something changed. Everything that was received is untrusted: it reaches the page as text nodes only, and mails as
 * a frame of their own that may not run anything.
 */
import { setUpKnobs, showKnobs } from './knobs.js';

const $ = (id) => document.getElementById(id);
/** Makes an element; `props` are set as properties, strings among `children` become text. */
export function h(tag, props = {}, ...children) {
  const { data, ...rest } = props;
  const element = Object.assign(document.createElement(tag), rest);
  for (const [key, value] of Object.entries(data ?? {})) element.dataset[key] = value;
  for (const [key, value] of Object.entries(rest))
    if (key.includes('-') || key === 'role') element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const limit = 200;
const state = { channel: 'email', key: '', items: [], groups: [], totals: null, part: 'mail', magic: null };

// Where we are lives in the address, so that a message can be bookmarked and Back works: #/sms/+1500…
function readAddress() {
  const [, channel, key = ''] = location.hash.split('/');
  state.channel = ['email', 'sms', 'push', 'in-app'].includes(channel) ? channel : 'email';
  state.key = decodeURIComponent(key);
}
const go = (channel, key = '') => (location.hash = `#/${channel}${key && `/${encodeURIComponent(key)}`}`);

// ——— What was received

let loading = 0;
async function load() {
  const turn = ++loading;
  if (state.channel === 'in-app') {
    state.items = state.groups = [];
    return render();
  }
  const query = new URLSearchParams({
    channel: state.channel,
    view: 'list',
    limit,
    refused: $('refused').checked,
    search: $('search').value.trim(),
  });
  const { data, totals } = await (await fetch(`/sandbox/received?${query}`)).json();
  if (turn !== loading) return; // a later question is under way
  state.items = data;
  state.groups =
    state.channel === 'email'
      ? data.map((mail) => ({ key: mail.id, latest: mail, items: [mail] }))
      : byRecipient(data);
  showTotals(totals);
  render();
}

/** Texts and pushes are shown per phone; the phone with the latest message comes first. */
function byRecipient(items) {
  const phones = new Map();
  for (const item of items) {
    const phone = phones.get(item.to);
    if (phone) phone.items.push(item);
    else phones.set(item.to, { key: item.to, latest: item, items: [item] });
  }
  return [...phones.values()];
}

function showTotals(totals) {
  const before = state.totals;
  state.totals = totals;
  let fresh = 0;
  for (const tab of document.querySelectorAll('.tabs button')) {
    const total = totals[tab.dataset.channel];
    if (!total) continue;
    const count = total.accepted + total.refused;
    tab.querySelector('i').textContent = count ? count.toLocaleString('en') : '';
    if (before)
      fresh += Math.max(
        0,
        count - before[tab.dataset.channel].accepted - before[tab.dataset.channel].refused,
      );
  }
  if (fresh) $('announce').textContent = `${fresh} new ${fresh === 1 ? 'message' : 'messages'}`;
}

// ——— The page

const time = (iso) => {
  const date = new Date(iso);
  const today = date.toDateString() === new Date().toDateString();
  return h(
    'time',
    { dateTime: iso, title: date.toLocaleString() },
    today
      ? date.toLocaleTimeString('en-GB')
      : date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' }),
  );
};
function avatar(name, square = '') {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  const letter = name.match(/[\p{L}\p{N}]/u)?.[0] ?? '?';
  return h(
    'span',
    { className: `avatar hue${hash % 6} ${square}`, 'aria-hidden': 'true' },
    letter.toUpperCase(),
  );
}
const refusedBadge = (item) => (item.accepted ? null : h('span', { className: 'badge' }, 'refused'));
const nameOf = (sender) => sender.replace(/\s*<[^>]*>$/, '').replace(/^"|"$/g, '') || sender;

function lineOf({ key, latest, items }) {
  const line = { email: mailLine, sms: smsLine, push: pushLine }[latest.channel](latest, items);
  return h(
    'button',
    {
      className: 'row',
      role: 'option',
      type: 'button',
      'aria-selected': String(key === state.key),
      tabIndex: -1,
      data: { key },
    },
    ...line,
  );
}
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
  avatar(item.to.replace(/^\+|^token-/, ''), item.channel === 'push' ? 'square' : ''),
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

function render() {
  for (const tab of document.querySelectorAll('.tabs button')) {
    const on = tab.dataset.channel === state.channel;
    tab.setAttribute('aria-selected', String(on));
    tab.tabIndex = on ? 0 : -1;
  }
  const nothing = !state.groups.length && !$('search').value.trim();
  if (!nothing && !state.key && !narrow.matches) state.key = state.groups[0]?.key ?? '';
  $('main').classList.toggle('alone', nothing);
  $('main').classList.toggle('opened', Boolean(state.key));

  const focused = document.activeElement?.closest?.('.row')?.dataset.key;
  const scrolled = $('list').scrollTop;
  $('list').replaceChildren(...state.groups.map(lineOf));
  $('list').scrollTop = scrolled;
  const rows = [...$('list').children];
  const current = rows.find((row) => row.dataset.key === state.key) ?? rows[0];
  if (current) current.tabIndex = 0;
  if (focused) rows.find((row) => row.dataset.key === focused)?.focus({ preventScroll: true });
  $('more').hidden = Boolean(state.groups.length) && state.items.length < limit;
  $('more').textContent = state.groups.length
    ? `The latest ${limit}. Search to find earlier ones.`
    : 'Nothing matches.';

  const group = state.groups.find(({ key }) => key === state.key);
  if (nothing) return showDetail(`empty ${state.channel}`, emptyState);
  // A phone is drawn anew when something on it changed; an open mail never changes and keeps its scroll position.
  const version = group
    ? `${group.key} ${state.channel === 'email' ? state.part : JSON.stringify(group.items)}`
    : `none ${state.key}`;
  showDetail(version, () =>
    group ? { email: mailView, sms: smsView, push: pushView }[state.channel](group) : goneView(),
  );
}

let shown = '';
async function showDetail(version, view) {
  if (version === shown) return;
  shown = version;
  const content = await view();
  if (shown !== version) return;
  const keep = $('detail').dataset.key === state.key ? $('detail').scrollTop : 0;
  const back = h(
    'button',
    { className: 'back', type: 'button', onclick: () => go(state.channel) },
    '‹ All messages',
  );
  $('detail').replaceChildren(back, ...content);
  $('detail').dataset.key = state.key;
  $('detail').scrollTop = keep;
}

const goneView = () => [
  h(
    'div',
    { className: 'empty' },
    h('h1', {}, 'No longer here'),
    h('p', {}, 'This message was cleared, pushed out by newer ones, or is hidden by the search.'),
  ),
];

// ——— Mail

async function mailView({ latest }) {
  const answer = await fetch(`/sandbox/received/${encodeURIComponent(latest.id)}`);
  if (!answer.ok) return goneView();
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
  const part = h('div', { className: 'part', role: 'tabpanel' });
  const tabs = h('div', { className: 'parts', role: 'tablist', 'aria-label': 'Parts of the mail' });
  const choose = (name) => {
    state.part = name;
    shown = `${mail.id} ${name}`; // this choice is drawn already
    for (const tab of tabs.children) {
      tab.setAttribute('aria-selected', String(tab.dataset.part === name));
      tab.tabIndex = tab.dataset.part === name ? 0 : -1;
    }
    const files = name === 'mail' && mail.attachments.length ? [fileList(mail.attachments)] : [];
    part.replaceChildren(...files, parts[name][1]());
  };
  for (const [name, [label]] of Object.entries(parts))
    tabs.append(
      h('button', { type: 'button', role: 'tab', data: { part: name }, onclick: () => choose(name) }, label),
    );
  arrowKeys(tabs);
  choose(state.part);
  return [
    h(
      'div',
      { className: 'mail-head' },
      h('h1', {}, mail.subject || (mail.size ? '(no subject)' : 'Refused before the content')),
      h(
        'div',
        { className: 'envelope' },
        avatar(nameOf(mail.sender || mail.from)),
        h('div', {}, mail.sender || mail.from),
        time(mail.at),
        h('div', { className: 'to' }, `to ${mail.to} · ${size(mail.size)}`),
      ),
      h('p', { className: `answer ${mail.accepted ? '' : 'bad'}` }, mail.answer),
      tabs,
    ),
    part,
  ];
}
const size = (bytes) =>
  bytes < 1000
    ? `${bytes} bytes`
    : bytes < 1e6
      ? `${(bytes / 1000).toFixed(1)} kB`
      : `${(bytes / 1e6).toFixed(1)} MB`;
const fileList = (files) =>
  h(
    'ul',
    { className: 'files' },
    ...files.map((f) => h('li', {}, `📎 ${f.filename} `, h('small', {}, size(f.size)))),
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
      h('header', {}, avatar(key.slice(1)), h('strong', {}, key)),
      h('ol', { className: 'bubbles' }, ...[...items].reverse().map(bubble)),
    ),
  ),
];
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

// ——— Nothing yet

async function emptyState() {
  if (state.channel === 'in-app') {
    return [
      h(
        'div',
        { className: 'empty' },
        h('h1', {}, 'In-app messages never leave the house'),
        h(
          'p',
          {},
          'They have no provider to stand in for: Carillon stores them and streams them to the inbox widget (the bell) of the person’s own app. Look at the delivery log in the dashboard, or open an app that shows the widget.',
        ),
      ),
    ];
  }
  const { smtpPort } = await magic();
  const account = `AC${'5a'.repeat(16)}`;
  const [title, command] = {
    email: [
      'No mail yet',
      `printf 'From: Ada <ada@shop.example>\\nSubject: Hello\\n\\nIt works.\\n' | \\\n  curl smtp://${location.hostname}:${smtpPort} --mail-from ada@shop.example --mail-rcpt zoe@example.com -T -`,
    ],
    sms: [
      'No text messages yet',
      `curl ${location.origin}/2010-04-01/Accounts/${account}/Messages.json \\\n  -u ${account}:token -d To=+12025550143 -d From=+15005550006 -d Body='It works.'`,
    ],
    push: [
      'No push notifications yet',
      `curl ${location.origin}/v1/projects/shop/messages:send -H 'Authorization: Bearer token' \\\n  --json '{"message":{"token":"phone-of-zoe","notification":{"title":"Hello","body":"It works."}}}'`,
    ],
  }[state.channel];
  const copyButton = h(
    'button',
    { className: 'copy', type: 'button', onclick: () => copy(command, copyButton) },
    'Copy',
  );
  return [
    h(
      'div',
      { className: 'empty' },
      h('h1', {}, title),
      h('p', {}, 'What Carillon sends on this channel appears here at once. To try the sandbox alone, run:'),
      h('div', { className: 'command' }, h('pre', {}, command), copyButton),
    ),
  ];
}

async function copy(text, button) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = 'Copied';
  } catch {
    button.textContent = 'Press Ctrl+C'; // no clipboard without https or localhost: select it instead
    getSelection().selectAllChildren(button.parentElement.querySelector('pre, code') ?? button);
  }
  setTimeout(() => (button.textContent = label), 1500);
}

// ——— Magic addresses

const magic = async () => (state.magic ??= await (await fetch('/sandbox/magic')).json());

async function openMagic() {
  const tables = await magic();
  const rows = [];
  for (const [channel, title] of Object.entries({
    email: 'Mail',
    sms: 'SMS',
    push: 'Push tokens that begin with',
  })) {
    rows.push(h('h3', {}, title));
    for (const { address, sentence } of tables[channel]) {
      const note = h('span', {}, sentence);
      const text = address.replace(/…$/, '1');
      rows.push(
        h(
          'button',
          { className: 'magic-row', type: 'button', onclick: () => copy(text, note) },
          h('code', {}, address),
          note,
        ),
      );
    }
  }
  $('magic-rows').replaceChildren(...rows);
  $('magic').showModal();
}

// ——— Keys, clicks, the stream

/** Left and right move between the tabs of a row, as people expect of tabs. */
function arrowKeys(tabs) {
  tabs.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...tabs.querySelectorAll('[role=tab]')];
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    next.focus();
    next.click();
  });
}

function moveInList(step) {
  const rows = [...$('list').children];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row.dataset.key === (document.activeElement?.dataset?.key ?? state.key));
  const row = rows[Math.min(rows.length - 1, Math.max(0, at + step))];
  row.focus();
  if (!narrow.matches) go(state.channel, row.dataset.key);
}

const narrow = matchMedia('(max-width: 820px)');
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  const typing = event.target.matches('input, select, textarea');
  if (event.key === '/' && !typing) {
    event.preventDefault();
    $('search').focus();
  } else if (event.key === 'Escape' && !typing && narrow.matches && state.key) {
    go(state.channel);
  } else if (
    ['ArrowDown', 'ArrowUp'].includes(event.key) &&
    (event.target.closest?.('.list') || event.target.id === 'search')
  ) {
    event.preventDefault();
    moveInList(event.key === 'ArrowDown' ? 1 : -1);
  } else if (['j', 'k'].includes(event.key) && !typing) {
    moveInList(event.key === 'j' ? 1 : -1);
  }
});
$('list').addEventListener('click', (event) => {
  const row = event.target.closest('.row');
  if (row) go(state.channel, row.dataset.key);
});
const tabs = document.querySelector('.tabs');
tabs.addEventListener('click', (event) => {
  const tab = event.target.closest('[data-channel]');
  if (tab) go(tab.dataset.channel);
});
arrowKeys(tabs);
addEventListener('hashchange', () => {
  const before = state.channel;
  readAddress();
  if (before === state.channel) return render();
  $('search').value = '';
  shown = '';
  load();
});
let typed;
$('search').addEventListener('input', () => {
  clearTimeout(typed);
  typed = setTimeout(load, 150);
});
document.querySelector('.find').addEventListener('submit', (event) => event.preventDefault());
$('refused').addEventListener('change', load);
$('clear').addEventListener('click', async () => {
  await fetch('/sandbox/clear', { method: 'POST' });
  state.totals = null;
  go(state.channel);
  load();
});
$('open-magic').addEventListener('click', openMagic);
for (const dialog of document.querySelectorAll('dialog'))
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
setUpKnobs();

readAddress();
render();
load();
const stream = new EventSource('/sandbox/stream');
const live = (on) => {
  $('live').className = `live ${on ? 'on' : 'off'}`;
  $('live').textContent = on ? 'live' : 'not reachable';
};
stream.addEventListener('open', () => live(true));
stream.addEventListener('error', () => live(false));
stream.addEventListener('changed', (event) => {
  const { totals, knobs } = JSON.parse(event.data);
  showTotals(totals);
  showKnobs(knobs);
  load();
});
