/**
 * Keeps a list of deliveries fresh: listens to the API's stream of hints, and asks again at most once a second. While
 * the stream is away it asks every five seconds instead. A hidden page does neither.
 */
import { useDocumentVisibility } from '@mantine/hooks';
import { useQueryClient, type QueryKey } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { streamUrl, type DeliveryQuery } from '../api.js';

export type Liveness = 'connecting' | 'live' | 'polling' | 'off';

/** `key`: what to ask again. `query` must keep its identity between renders. */
export const useLive = (query: DeliveryQuery, key: QueryKey, on = true): Liveness => {
  const queryClient = useQueryClient();
  const visible = useDocumentVisibility() === 'visible';
  const [liveness, setLiveness] = useState<Liveness>('connecting');
  const url = streamUrl(query);
  const keyText = JSON.stringify(key);
  useEffect(() => {
    if (!on || !visible) {
      setLiveness('off');
      return;
    }
    setLiveness('connecting');
    let waiting: number | undefined;
    let polling: number | undefined;
    const ask = () => void queryClient.invalidateQueries({ queryKey: JSON.parse(keyText) as QueryKey });
    const hint = () => {
      waiting ??= window.setTimeout(() => {
        waiting = undefined;
        ask();
      }, 1000);
    };
    const poll = () => {
      setLiveness('polling');
      polling ??= window.setInterval(ask, 5000);
    };
    const stream = new EventSource(url);
    stream.onopen = () => {
      window.clearInterval(polling);
      polling = undefined;
      setLiveness('live');
    };
    for (const name of ['delivery', 'changed']) stream.addEventListener(name, hint);
    // The browser reconnects by itself unless the answer was an error; polling covers both.
    stream.onerror = poll;
    return () => {
      stream.close();
      window.clearTimeout(waiting);
      window.clearInterval(polling);
    };
  }, [url, keyText, on, visible, queryClient]);
  return liveness;
};
