/** What to try: the command of an empty page, and the panel of magic addresses. */
import { $, copy, h } from './elements.js';

let tables;
const magic = async () => (tables ??= await (await fetch('/sandbox/magic')).json());

/** The panel of magic addresses; a click copies one. */
export async function openMagic() {
  const magicTables = await magic();
  const rows = [];
  for (const [channel, title] of Object.entries({
    email: 'Mail',
    sms: 'SMS',
    push: 'Push tokens that begin with',
  })) {
    rows.push(h('h3', {}, title));
    for (const { address, sentence } of magicTables[channel]) {
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

/** What an empty channel shows: the command that fills it. */
export async function emptyState(channel) {
  if (channel === 'in-app') {
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
      `printf 'From: Ada <ada@shop.example>\\nSubject: Hello\\n\\nIt works.\\n' |\n  curl smtp://${location.hostname}:${smtpPort} --upload-file - \\\n    --mail-from ada@shop.example --mail-rcpt zoe@example.com`,
    ],
    sms: [
      'No text messages yet',
      `curl ${location.origin}/2010-04-01/Accounts/${account}/Messages.json \\\n  -u ${account}:token \\\n  --data-urlencode To=+12025550143 --data-urlencode From=+15005550006 -d Body='It works.'`,
    ],
    push: [
      'No push notifications yet',
      `curl ${location.origin}/v1/projects/shop/messages:send \\\n  -H 'Authorization: Bearer token' -H 'Content-Type: application/json' \\\n  -d '{"message":{"token":"phone-of-zoe","notification":{"title":"Hello","body":"It works."}}}'`,
    ],
  }[channel];
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
