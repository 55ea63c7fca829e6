/** How people and providers behave in a world: by chance, and always the same for the same seed, person and message. Pure. */
import type { JourneyWorld, Behaviour, WorldDelivery } from './journey-world.js';

/** Between 0 (never) and 1 (always). */
export interface Chances {
  /** The provider refuses it. */
  failed?: number | undefined;
  /** Taken by the provider, and returned later. Of those that were not refused, like all that follow. */
  bounced?: number | undefined;
  delivered?: number | undefined;
  /** Of those that were delivered. */
  opened?: number | undefined;
  clicked?: number | undefined;
  replied?: number | undefined;
  complained?: number | undefined;
  unsubscribed?: number | undefined;
}
const SECOND = 1000;
const HOUR = 3_600 * SECOND;
/** At the earliest, and within how long. */
const AFTER = {
  delivered: [2 * SECOND, 6 * SECOND],
  bounced: [30 * SECOND, 300 * SECOND],
  opened: [60 * SECOND, 8 * HOUR],
  clicked: [30 * SECOND, HOUR],
  replied: [120 * SECOND, 12 * HOUR],
  unsubscribed: [60 * SECOND, 8 * HOUR],
  complained: [120 * SECOND, 24 * HOUR],
} as const;

export class Behaviours {
  /** @param ofStep instead of `ofAll`, by step */
  constructor(
    private readonly world: () => JourneyWorld,
    private readonly ofAll: Chances,
    private readonly ofStep: Readonly<Record<string, Chances>> = {},
  ) {}

  of({ message: { walker, step }, channel, place }: WorldDelivery): Behaviour {
    const chances = { delivered: 1, ...this.ofAll, ...this.ofStep[step] };
    const words = [walker.somebody.externalId, step, walker.lines.length, channel, place];
    const drawn = (what: string) => this.world().draw(what, ...words);
    const happens = (what: keyof Chances) => drawn(what) < (chances[what] ?? 0);
    const after = (what: keyof typeof AFTER): number =>
      Math.round(AFTER[what][0] + drawn(`${what} after`) * (AFTER[what][1] - AFTER[what][0]));
    if (happens('failed')) return { refused: 'rejected' };
    if (happens('bounced')) return { bounced: after('bounced') };
    if (!happens('delivered')) return {};
    const delivered = after('delivered');
    const clicked = happens('clicked');
    // Who clicks has opened it.
    const opened = clicked || happens('opened') ? delivered + after('opened') : null;
    const later = (what: 'replied' | 'complained' | 'unsubscribed') =>
      happens(what) ? delivered + after(what) : null;
    return {
      delivered,
      opened,
      clicked: clicked ? opened! + after('clicked') : null,
      replied: later('replied'),
      complained: later('complained'),
      unsubscribed: later('unsubscribed'),
    };
  }
}
