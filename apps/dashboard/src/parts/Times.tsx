/** Times on screen. All relative times tick together, so that a page never disagrees with itself. */
import { Tooltip } from '@mantine/core';
import { useSyncExternalStore } from 'react';
import { absolute, absoluteWithZone, compact, dateOnly, relative } from '../time.js';

let now = new Date();
const listeners = new Set<() => void>();
setInterval(() => {
  now = new Date();
  for (const tell of listeners) tell();
}, 10_000);
const subscribe = (tell: () => void) => {
  listeners.add(tell);
  return () => listeners.delete(tell);
};
/** The current time to ten seconds. */
export const useNow = (): Date => useSyncExternalStore(subscribe, () => now);

interface TimesProps {
  at: string | null;
  show?: 'relative' | 'compact' | 'both' | 'date';
  none?: string;
}
export const When = ({ at, show = 'relative', none = '—' }: TimesProps) => {
  const current = useNow();
  if (!at) return <span style={{ color: 'var(--ink-soft)' }}>{none}</span>;
  const ago = relative(at, current);
  const text =
    show === 'relative'
      ? ago
      : show === 'compact'
        ? compact(at, current)
        : show === 'date'
          ? dateOnly(at)
          : `${absolute(at)} · ${ago}`;
  return (
    <Tooltip
      label={
        show === 'relative' || show === 'both' ? absoluteWithZone(at) : `${absoluteWithZone(at)} · ${ago}`
      }
    >
      <time dateTime={at}>{text}</time>
    </Tooltip>
  );
};
