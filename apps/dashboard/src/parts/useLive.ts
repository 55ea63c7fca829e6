/**
 * Keeps what a page shows fresh by a stream of the API. While the stream is away the page asks every few seconds instead. A hidden page
 * does neither.
 */
import { useDocumentVisibility } from '@mantine/hooks';
import { useQueryClient, type QueryKey } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { streamUrl, type DeliveryQuery } from '../api.js';

export type Liveness = 'connecting' | 'live' | 'polling' | 'off';

interface Listener {
  /** Names of the events that count. */
  events: readonly string[];
  heard: (data: string) => void;
  /** Called every `pollMs` while the stream is away. */
  ask: () => void;
  pollMs: number;
}

/** @param url of the stream; null: nothing to listen to */
export const useStream = (url: string | null, listener: Listener): Liveness => {
  const visible = useDocumentVisibility() === 'visible';
  const [liveness, setLiveness] = useState<Liveness>('connecting');
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => {
    if (url === null || !visible) {
      setLiveness('off');
      return;
    }
    setLiveness('connecting');
    let polling: number | undefined;
    const stream = new EventSource(url);
    stream.onopen = () => {
      window.clearInterval(polling);
      polling = undefined;
      setLiveness('live');
    };
    for (const name of latest.current.events)
      stream.addEventListener(name, (event: MessageEvent<string>) => latest.current.heard(event.data));
    // The browser reconnects by itself unless the answer was an error; polling covers both.
    stream.onerror = () => {
      setLiveness('polling');
      polling ??= window.setInterval(() => latest.current.ask(), latest.current.pollMs);
    };
    return () => {
      stream.close();
      window.clearInterval(polling);
    };
  }, [url, visible]);
  return liveness;
};

/**
 * Keeps a list of deliveries fresh: the stream says that something changed, and the list is asked for again at most once a second.
 * @param key what to ask again
 */
export const useLive = (query: DeliveryQuery, key: QueryKey, on = true): Liveness => {
  const queryClient = useQueryClient();
  const waiting = useRef<number>(undefined);
  const ask = () => void queryClient.invalidateQueries({ queryKey: key });
  const heard = () => {
    waiting.current ??= window.setTimeout(() => {
      waiting.current = undefined;
      ask();
    }, 1000);
  };
  useEffect(
    () => () => {
      window.clearTimeout(waiting.current);
      waiting.current = undefined;
    },
    [],
  );
  return useStream(on ? streamUrl(query) : null, {
    events: ['delivery', 'changed'],
    heard,
    ask,
    pollMs: 5000,
  });
};
