/** The small pieces that every view is made of. Text from outside becomes text nodes here, never markup. */

export const $ = (id) => document.getElementById(id);

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

export const time = (iso) => {
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
export function avatar(name, square = '') {
  let hash = 0;
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) >>> 0;
  // A phone number is told apart by its end.
  const letter = name.startsWith('+') ? name.slice(-2) : (name.match(/[\p{L}\p{N}]/u)?.[0] ?? '?');
  return h(
    'span',
    { className: `avatar hue${hash % 6} ${square}`, 'aria-hidden': 'true' },
    letter.toUpperCase(),
  );
}
export const refusedBadge = (item) => (item.accepted ? null : h('span', { className: 'badge' }, 'refused'));
export const nameOf = (sender) => sender.replace(/\s*<[^>]*>$/, '').replace(/^"|"$/g, '') || sender;

export const size = (bytes) =>
  bytes < 1000
    ? `${bytes} bytes`
    : bytes < 1e6
      ? `${(bytes / 1000).toFixed(1)} kB`
      : `${(bytes / 1e6).toFixed(1)} MB`;

/** Left and right move between the tabs of a row, as people expect of tabs. */
export function arrowKeys(tabs) {
  tabs.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const all = [...tabs.querySelectorAll('[role=tab]')];
    const next = all[(all.indexOf(document.activeElement) + step + all.length) % all.length];
    next.focus();
    next.click();
  });
}

export async function copy(text, button) {
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
