/** Gives a tree of React components one inbox, and lets each read and change it. */
import { createContext, useContext, useEffect, useMemo, useRef, useSyncExternalStore } from 'react';
import type { ReactNode } from 'react';
import { createInbox, type Inbox, type InboxOptions } from './index.js';
import { emptyState, type InboxState } from './state.js';

const Context = createContext<Inbox | null>(null);

export type InboxProviderProps = { children?: ReactNode } & (
  | (Pick<InboxOptions, 'baseUrl' | 'token' | 'pageSize'> & { inbox?: never })
  /** One that you made with `createInbox`, and close yourself. */
  | { inbox: Inbox }
);

/**
 * Loads the inbox and keeps it live while it is mounted. Another `baseUrl` or another token string make another inbox; a
 * token function may be a new one at every render, so give the provider a `key` with the person's id when it may change.
 */
export function InboxProvider(props: InboxProviderProps): ReactNode {
  const given = props.inbox;
  const { baseUrl, token = '', pageSize } = given ? {} : props;
  const fixed = typeof token === 'string' ? token : null;
  const latest = useRef(token);
  useEffect(() => {
    latest.current = token;
  });
  const inbox = useMemo(() => {
    if (given) return given;
    const ask = () => (typeof latest.current === 'string' ? latest.current : latest.current());
    return createInbox({
      token: fixed ?? ask,
      ...(baseUrl === undefined ? {} : { baseUrl }),
      ...(pageSize === undefined ? {} : { pageSize }),
    });
  }, [given, baseUrl, fixed, pageSize]);
  useEffect(() => {
    quietly(inbox.load());
    if (!given) return () => inbox.close();
  }, [inbox, given]);
  return <Context.Provider value={inbox}>{props.children}</Context.Provider>;
}

/** The state of the inbox, which renders again with every change, and everything that can be done with it. */
export function useInbox(): InboxState & Omit<Inbox, 'getState' | 'subscribe'> {
  const inbox = useContext(Context);
  if (!inbox) throw new Error('useInbox and <Inbox> need an <InboxProvider> around them.');
  const state = useSyncExternalStore(inbox.subscribe, inbox.getState, () => emptyState);
  return useMemo(() => ({ ...inbox, ...state }), [inbox, state]);
}

/** For what is not waited for: what went wrong stands in `state.error`, which is shown. */
export const quietly = (promise: Promise<unknown>): void => void promise.catch(() => undefined);
