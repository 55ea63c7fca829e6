/** The knobs panel: draws a field per knob, sends each change at once, shows what the sandbox made of it. */
const $ = (id) => document.getElementById(id);
const element = (tag, props, ...children) => {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
};

const pushErrors = [
  'UNREGISTERED',
  'INVALID_ARGUMENT',
  'SENDER_ID_MISMATCH',
  'QUOTA_EXCEEDED',
  'UNAVAILABLE',
  'INTERNAL',
  'THIRD_PARTY_AUTH_ERROR',
];
const smsErrors = [
  [20003, '20003 wrong credentials'],
  [20429, '20429 too many requests'],
  [20500, '20500 server error'],
  [20503, '20503 unavailable'],
  [21211, '21211 invalid number'],
  [21408, '21408 country not enabled'],
  [21610, '21610 unsubscribed'],
  [21612, '21612 no route'],
  [21614, '21614 not a mobile'],
];
const mailErrors = [
  [421, '421 slow down'],
  [451, '451 try again'],
  [452, '452 mailbox full'],
  [550, '550 no such mailbox'],
  [554, '554 refused'],
];
const shared = (errors) => [
  ['failRate', 'Refuse this share', 'rate'],
  ['errorCode', 'with the error', errors],
  ['silentRate', 'Take, but never answer', 'rate'],
  ['latencyMs', 'Answer after', 'ms'],
];
const groups = {
  email: ['Mail', shared(mailErrors)],
  sms: [
    'SMS',
    [
      ...shared(smsErrors),
      ['undeliveredRate', 'Undelivered later (30003)', 'rate'],
      ['receiptMs', 'Pause before each receipt', 'ms'],
    ],
  ],
  push: ['Push', shared(pushErrors.map((code) => [code, code]))],
};

const fields = new Map();

export function setUpKnobs() {
  for (const [channel, [title, knobs]] of Object.entries(groups)) {
    $('knob-fields').append(element('h3', {}, title), ...knobs.map((knob) => field(channel, ...knob)));
  }
  $('open-knobs').addEventListener('click', () => $('knobs').showModal());
  $('reset-knobs').addEventListener('click', () => send('DELETE'));
}

function field(channel, name, label, kind) {
  const id = `${channel}-${name}`;
  const output = element('output', {});
  output.htmlFor = id;
  let input;
  if (kind === 'rate') {
    input = element('input', { id, type: 'range', min: 0, max: 100, step: 5 });
    input.addEventListener('input', () => (output.value = `${input.value} %`));
  } else if (kind === 'ms') {
    input = element('input', { id, type: 'number', min: 0, max: 600000, step: 50 });
  } else {
    input = element('select', { id }, ...kind.map(([value, text]) => element('option', { value }, text)));
  }
  const read = () =>
    kind === 'rate'
      ? Number(input.value) / 100
      : channel === 'push' && name === 'errorCode'
        ? input.value
        : Number(input.value);
  const write = (value) => {
    if (kind === 'rate') {
      input.value = Math.round(value * 100);
      output.value = `${input.value} %`;
    } else {
      if (Array.isArray(kind) && !kind.some(([known]) => known === value))
        input.append(element('option', { value }, String(value)));
      input.value = value;
    }
  };
  input.addEventListener('change', () => send('PUT', { [channel]: { [name]: read() } }));
  fields.set(id, write);
  const row = element(
    'div',
    { className: 'knob' },
    element('label', { htmlFor: id }, kind === 'ms' ? `${label} (ms)` : label),
    input,
  );
  if (kind === 'rate') row.append(output);
  return row;
}

async function send(method, change) {
  const answer = await fetch('/sandbox/knobs', {
    method,
    ...(change && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(change) }),
  });
  const body = await answer.json();
  $('knob-error').hidden = answer.ok;
  if (answer.ok) showKnobs(body);
  else
    $('knob-error').textContent =
      body.errors?.map((e) => `${e.pointer}: ${e.message}`).join(' ') ?? body.detail;
}

/** Called with the knobs whenever they changed, here or elsewhere. */
export function showKnobs(knobs) {
  let turned = 0;
  for (const channel of Object.keys(groups)) {
    for (const [name, value] of Object.entries(knobs[channel])) {
      const id = `${channel}-${name}`;
      // Never under somebody's finger: the field that is being changed keeps what it shows.
      if (document.activeElement?.id !== id || !$('knobs').open) fields.get(id)?.(value);
      if ((name.endsWith('Rate') || name === 'latencyMs') && value > 0) turned++;
    }
  }
  $('knobs-turned').hidden = turned === 0;
  $('knobs-turned').textContent = String(turned);
}
