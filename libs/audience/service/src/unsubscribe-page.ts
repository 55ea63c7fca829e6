/** The pages behind links in messages, as HTML that needs no script. Pure. */
import type { Channel } from '@carillon/contracts';
import type { PageTexts } from './page-texts.js';

export interface About {
  channel: Channel;
  address: string | null;
  topic: string;
  /** As the person is to read it; the key unless given. */
  topicName?: string;
}
/** A topic on the preference page. */
export interface TopicChoice {
  key: string;
  name: string;
  description: string;
  /** 0 at the top of the tree. */
  depth: number;
  subscribed: boolean;
}

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? '&#39;');

/** `a…@example.com`: enough for its owner, useless to whom a mail was forwarded. */
function masked(address: string): string {
  const at = address.lastIndexOf('@');
  return at > 0 ? `${address[0]}…${address.slice(at)}` : `…${address.slice(-3)}`;
}
const isAll = (topic: string): boolean => topic === 'marketing' || topic === '';
const what = (t: PageTexts, { channel, topic, topicName = topic }: About): string =>
  isAll(topic) ? t.marketing(t.kinds[channel]) : t.about(t.kinds[channel], escaped(topicName));
const where = (t: PageTexts, { address }: About): string =>
  address ? t.to(`<b>${escaped(masked(address))}</b>`) : '';

/** Asks. The form posts to the address it stands at. */
export const formPage = (
  t: PageTexts,
  nonce: string,
  sender: string,
  about: About,
  preferences: string,
): string =>
  page(
    t,
    nonce,
    t.unsubscribeTitle(sender),
    `<h1>${t.unsubscribeAsk}</h1>
  <p>${t.willStop(escaped(sender), what(t, about), where(t, about))}</p>
  <form method="post">
    <button name="unsubscribe" value="topic">${t.unsubscribe}</button>
    ${isAll(about.topic) ? '' : `<button class="quiet" name="unsubscribe" value="all">${t.stopAll(t.kinds[about.channel])}</button>`}
  </form>
  <p class="small">${t.stillArrive}</p>
  <p class="small"><a href="${escaped(preferences)}">${t.choose}</a></p>`,
  );

/** Says that it is done. */
export const donePage = (
  t: PageTexts,
  nonce: string,
  sender: string,
  about: About,
  preferences: string,
): string =>
  page(
    t,
    nonce,
    t.doneTitle,
    `<h1>${t.doneTitle}</h1>
  <p role="status">${t.done(escaped(sender), what(t, about), where(t, about))}</p>
  <p class="small"><a href="${escaped(preferences)}">${t.choose}</a></p>`,
  );

/** For links that are not ours. */
export const gonePage = (t: PageTexts, nonce: string): string =>
  page(t, nonce, t.goneTitle, `<h1>${t.goneTitle}</h1>\n  <p>${t.gone}</p>`);

/** For links to what was erased, or is too old. */
export const forgottenPage = (t: PageTexts, nonce: string): string =>
  page(t, nonce, t.forgottenTitle, `<h1>${t.forgottenTitle}</h1>\n  <p>${t.forgotten}</p>`);

/** Shows what somebody gets, to be ticked. Saved as a whole. */
export function preferencePage(
  t: PageTexts,
  nonce: string,
  sender: string,
  about: About,
  state: { topics: readonly TopicChoice[]; outOfAll: boolean; blocked: boolean; saved: boolean },
): string {
  const kind = t.kinds[about.channel];
  const topic = ({ key, name, description, depth, subscribed }: TopicChoice, i: number) => `
      <div class="topic d${Math.min(depth, 4)}">
        <input type="checkbox" id="t${i}" name="topic" value="${escaped(key)}"${subscribed ? ' checked' : ''}${description ? ` aria-describedby="d${i}"` : ''}>
        <div><label for="t${i}">${escaped(name)}</label>${description ? `<p class="small" id="d${i}">${escaped(description)}</p>` : ''}</div>
      </div>`;
  return page(
    t,
    nonce,
    t.preferencesTitle(sender),
    `<h1>${t.preferencesTitle(escaped(sender))}</h1>
  ${state.saved ? `<p class="note" role="status">${t.saved}</p>` : ''}
  ${state.blocked ? `<form method="post"><p class="note">${t.blocked(kind)}</p><button class="quiet" name="action" value="unblock">${t.unblock}</button></form>` : ''}
  ${state.outOfAll && !state.blocked ? `<p class="note">${t.outOfAll(kind)}</p>` : ''}
  <form method="post">
    ${
      state.topics.length > 0
        ? `<fieldset><legend>${t.preferencesAsk(kind, where(t, about))}</legend>${state.topics.map(topic).join('')}
    </fieldset>
    <button name="action" value="save">${t.save}</button>`
        : `<p>${t.noTopics}</p>`
    }
    <button class="quiet" name="action" value="none">${t.all(kind)}</button>
  </form>
  <p class="small">${t.stillArrive}</p>`,
  );
}

/** Double opt-in: asks once more, and says that it is done. */
export const confirmPage = (
  t: PageTexts,
  nonce: string,
  sender: string,
  topic: string,
  confirmed: boolean,
): string =>
  page(
    t,
    nonce,
    t.confirmTitle,
    confirmed
      ? `<h1>${t.confirmTitle}</h1>\n  <p class="note" role="status">${t.confirmed(escaped(topic))}</p>`
      : `<h1>${t.confirmTitle}</h1>
  <p>${t.confirmAsk(escaped(sender), escaped(topic))}</p>
  <form method="post"><button name="action" value="confirm">${t.confirm}</button></form>`,
  );

const page = (t: PageTexts, nonce: string, title: string, body: string): string => `<!doctype html>
<html lang="${t.lang}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="robots" content="noindex">
  <meta name="referrer" content="no-referrer">
  <title>${escaped(title)}</title>
  <link rel="icon" href="data:,">
  <style nonce="${nonce}">
    :root { color-scheme: light dark; --line: light-dark(#d5d9e0, #3a3f4a); --accent: light-dark(#1f4fd8, #8ab0ff) }
    * { box-sizing: border-box }
    body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; font: 17px/1.6 system-ui, sans-serif;
      background: light-dark(#f5f6f8, #14161a); color: light-dark(#1b1e25, #e8eaee) }
    main { width: 100%; max-width: 30rem; padding: 2.25rem; border: 1px solid var(--line); border-radius: 14px; background: light-dark(#fff, #1c1f25) }
    h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere }
    p { margin: 0 0 1.25rem; overflow-wrap: anywhere }
    p:last-child { margin-bottom: 0 }
    b { display: inline-block; max-width: 100%; overflow-wrap: anywhere }
    a { color: var(--accent) }
    .small { font-size: .85rem; color: light-dark(#5b6270, #a3a9b5) }
    .note { padding: .75rem 1rem; border-left: 4px solid var(--accent); border-radius: 6px; background: light-dark(#eef2fd, #232936) }
    fieldset { margin: 0 0 1.25rem; padding: 0; border: 0 }
    legend { margin-bottom: .75rem; padding: 0 }
    .topic { display: flex; gap: .75rem; padding: .6rem 0; border-bottom: 1px solid var(--line) }
    .topic .small { margin: 0 }
    .d1 { padding-left: 1.75rem } .d2 { padding-left: 3.5rem } .d3 { padding-left: 5.25rem } .d4 { padding-left: 7rem }
    label { font-weight: 600; cursor: pointer; overflow-wrap: anywhere }
    input[type=checkbox] { flex: none; width: 1.25rem; height: 1.25rem; margin: .2rem 0 0; accent-color: var(--accent) }
    button { display: block; width: 100%; margin-bottom: .75rem; padding: .75rem 1rem; font: inherit; font-weight: 600; border-radius: 9px; cursor: pointer;
      border: 1px solid var(--accent); background: var(--accent); color: light-dark(#fff, #10131a) }
    .quiet { background: none; color: inherit; border-color: var(--line); font-weight: 400 }
    button:focus-visible, input:focus-visible, a:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
  </style>
</head>
<body>
  <main>
  ${body}
  </main>
</body>
</html>
`;
