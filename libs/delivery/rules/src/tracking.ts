/** Whether opens and clicks of a message are counted: what it says itself, then its workspace, then its class. Pure. */
import type { MessageClass, Tracking } from '@carillon/contracts';

export type TrackingPolicy = Partial<Record<MessageClass, Tracking>>;
export interface TrackingWanted {
  opens: boolean;
  clicks: boolean;
  utm: Readonly<Record<string, string>> | undefined;
}

/** Who waits for a code does not need to be counted. */
const BY_CLASS: Record<MessageClass, boolean> = { marketing: true, transactional: false };

/** @returns null when its HTML goes out as it was written */
export function trackingOf(
  messageClass: MessageClass,
  policy: TrackingPolicy | null | undefined,
  own: Tracking | undefined,
): TrackingWanted | null {
  const said = policy?.[messageClass];
  const opens = own?.opens ?? said?.opens ?? BY_CLASS[messageClass];
  const clicks = own?.clicks ?? said?.clicks ?? BY_CLASS[messageClass];
  const utm = said?.utm || own?.utm ? ({ ...said?.utm, ...own?.utm } as Record<string, string>) : undefined;
  return opens || clicks || utm ? { opens, clicks, utm } : null;
}
