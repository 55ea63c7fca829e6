/** The pages behind an unsubscribe link, as HTML that needs no script. Pure. */
import type { Channel } from '@carillon/contracts';

interface About {
  channel: Channel;
  address: string | null;
  topic: string;
}
const kinds: Readonly<Record<Channel, string>> = {
  email: 'emails',
  sms: 'text messages',
  push: 'push notifications',
  'in-app': 'messages in the app',
};

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? '&#39;');

/** `a…@example.com`: enough for its owner, useless to whom a mail was forwarded. */
function masked(address: string): string {
  const at = address.lastIndexOf('@');
  return at > 0 ? `${address[0]}…${address.slice(at)}` : `…${address.slice(-3)}`;
}
const isAll = (topic: string): boolean => topic === 'marketing' || topic === '';
const what = ({ channel, topic }: About): string =>
  isAll(topic) ? `marketing ${kinds[channel]}` : `${kinds[channel]} about “${escaped(topic)}”`;
const where = ({ address }: About): string => (address ? ` to <b>${escaped(masked(address))}</b>` : '');

/** Asks. The form posts to the address it stands at. */
export const formPage = (nonce: string, sender: string, about: About): string =>
  page(
    nonce,
    `Unsubscribe from ${sender}`,
    `<h1>Unsubscribe?</h1>
  <p>${escaped(sender)} will stop sending ${what(about)}${where(about)}.</p>
  <form method="post">
    <button name="unsubscribe" value="topic">Unsubscribe</button>
    ${isAll(about.topic) ? '' : `<button class="quiet" name="unsubscribe" value="all">Stop all marketing ${kinds[about.channel]}</button>`}
  </form>
  <p class="small">Messages you ask for yourself, such as receipts and sign-in codes, still arrive.</p>`,
  );

/** Says that it is done. */
export const donePage = (nonce: string, sender: string, about: About): string =>
  page(
    nonce,
    'You are unsubscribed',
    `<h1>You are unsubscribed</h1>
  <p>${escaped(sender)} has stopped sending ${what(about)}${where(about)}. There is nothing more to do.</p>`,
  );

/** For links that are not ours. */
export const gonePage = (nonce: string): string =>
  page(
    nonce,
    'This link does not work',
    `<h1>This link does not work</h1>
  <p>It was cut short or changed on its way. Open it again from the message itself.</p>`,
  );

const page = (nonce: string, title: string, body: string): string => `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="robots" content="noindex">
  <title>${escaped(title)}</title>
  <link rel="icon" href="data:,">
  <style nonce="${nonce}">
    :root { color-scheme: light dark; --line: light-dark(#d5d9e0, #3a3f4a); --accent: light-dark(#1f4fd8, #8ab0ff) }
    * { box-sizing: border-box }
    body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1.5rem; font: 17px/1.6 system-ui, sans-serif;
      background: light-dark(#f5f6f8, #14161a); color: light-dark(#1b1e25, #e8eaee) }
    main { width: 100%; max-width: 30rem; padding: 2.25rem; border: 1px solid var(--line); border-radius: 14px; background: light-dark(#fff, #1c1f25) }
    h1 { margin: 0 0 .75rem; font-size: 1.5rem; line-height: 1.25 }
    p { margin: 0 0 1.25rem; overflow-wrap: anywhere }
    p:last-child { margin-bottom: 0 }
    .small { font-size: .85rem; color: light-dark(#5b6270, #a3a9b5) }
    button { display: block; width: 100%; margin-bottom: .75rem; padding: .75rem 1rem; font: inherit; font-weight: 600; border-radius: 9px; cursor: pointer;
      border: 1px solid var(--accent); background: var(--accent); color: light-dark(#fff, #10131a) }
    .quiet { background: none; color: inherit; border-color: var(--line); font-weight: 400 }
    button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
  </style>
</head>
<body>
  <main>
  ${body}
  </main>
</body>
</html>
`;
