/**
 * The sandbox viewer. No build step, no library: the page asks for what it shows whenever the stream says that
 * something changed. Everything that was received is untrusted: it reaches the page as text nodes only, and mails as
 * a frame of their own that may not run anything.
 */
import { $, arrowKeys, h } from './elements.js';
import { emptyState, openMagic } from './help.js';
import { setUpKnobs, showKnobs } from './knobs.js';
import { lineOf, viewOf } from './messages.js';

const limit = 200;
const state = { channel: 'email', key: '', items: [], groups: [], totals: null };

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

const rowOf = (group) =>
  h(
    'button',
    {
      className: 'row',
      role: 'option',
      type: 'button',
      'aria-selected': String(group.key === state.key),
      tabIndex: -1,
      data: { key: group.key },
    },
    ...lineOf(group),
  );

function render() {
  for (const tab of document.querySelectorAll('.tabs button')) {
    const on = tab.dataset.channel === state.channel;
    tab.setAttribute('aria-selected', String(on));
    tab.tabIndex = on ? 0 : -1;
  }
  const nothing = !state.groups.length && !$('search').value.trim();
  const chosen = location.hash.split('/').length > 2;
  let group = state.groups.find(({ key }) => key === state.key);
  // On a wide page something is always open; on a phone the list comes first.
  if (!group && !chosen) group = narrow.matches ? undefined : state.groups[0];
  if (!chosen) state.key = group?.key ?? '';
  $('main').classList.toggle('alone', nothing);
  $('main').classList.toggle('opened', Boolean(state.key));

  const focused = document.activeElement?.closest?.('.row')?.dataset.key;
  const scrolled = $('list').scrollTop;
  $('list').replaceChildren(...state.groups.map(rowOf));
  $('list').scrollTop = scrolled;
  const rows = [...$('list').children];
  const current = rows.find((row) => row.dataset.key === state.key) ?? rows[0];
  if (current) current.tabIndex = 0;
  if (focused) rows.find((row) => row.dataset.key === focused)?.focus({ preventScroll: true });
  $('more').hidden = Boolean(state.groups.length) && state.items.length < limit;
  $('more').textContent = state.groups.length
    ? `The latest ${limit}. Search to find earlier ones.`
    : 'Nothing matches.';

  if (nothing) return showDetail(`empty ${state.channel}`, () => emptyState(state.channel));
  if (!group) return showDetail(`gone ${state.key}`, () => gone);
  // A phone is drawn anew when something on it changed; an open mail never changes and keeps its place.
  const version = state.channel === 'email' ? group.key : JSON.stringify(group.items);
  return showDetail(version, async () => (await viewOf(group)) ?? gone);
}

let shown = '';
async function showDetail(version, view) {
  if (version === shown) return;
  shown = version;
  const content = await view();
  if (shown !== version) return; // another one was opened meanwhile
  const place = $('detail').dataset.key === state.key ? $('detail').scrollTop : 0;
  const typing = document.activeElement?.name === 'reply' && $('detail').dataset.key === state.key;
  const back = h(
    'button',
    { className: 'back', type: 'button', onclick: () => go(state.channel) },
    '‹ All messages',
  );
  $('detail').replaceChildren(back, ...content);
  $('detail').dataset.key = state.key;
  $('detail').scrollTop = place;
  if (typing) $('detail').querySelector('[name=reply]')?.focus({ preventScroll: true });
}

const gone = [
  h(
    'div',
    { className: 'empty' },
    h('h1', {}, 'No longer here'),
    h('p', {}, 'This message was cleared, pushed out by newer ones, or is hidden by the search.'),
  ),
];

// ——— Keys, clicks, the stream

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
  state.key = '';
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
