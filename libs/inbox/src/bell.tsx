/**
 * `<Inbox />`: a bell with a badge, and a popover with the list. Uses the state of the provider around it; looks come
 * from styles.css alone, so that it works under a policy that allows no inline styles.
 */
import { useEffect, useId, useRef, useState } from 'react';
import type { FocusEvent, KeyboardEvent, MouseEvent, ReactNode } from 'react';
import { Bell, Close, Done } from './icons.js';
import type { InboxItem } from './item.js';
import { quietly, useInbox } from './provider.js';
import { Row } from './row.js';
import { english, type InboxTexts } from './texts.js';

export interface InboxProps {
  /** Called on a click on an item, which is marked read. `event.preventDefault()` keeps a link from being followed. */
  onItemClick?: (item: InboxItem, event: MouseEvent<HTMLElement>) => void;
  /** Under which edge of the bell the list opens. Default `end`. */
  align?: 'start' | 'end';
  /** Default `auto`: as the system wants it. */
  theme?: 'auto' | 'light' | 'dark';
  /** Your words, whole or in part. */
  texts?: Partial<InboxTexts>;
  /** BCP 47; for times. Default: the page's language. */
  locale?: string;
  className?: string;
}

const MINUTE_MS = 60_000;
const NOTICED_MS = 2000;

export function Inbox({
  onItemClick,
  align = 'end',
  theme = 'auto',
  className,
  ...props
}: InboxProps): ReactNode {
  const inbox = useInbox();
  const texts = { ...english, ...props.texts };
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const bell = useRef<HTMLButtonElement>(null);
  const panelId = useId();

  const close = () => {
    setOpen(false);
    bell.current?.focus();
  };
  useEffect(() => {
    if (!open) return;
    const outside = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', outside);
    return () => document.removeEventListener('pointerdown', outside);
  }, [open]);
  const onBlur = ({ relatedTarget }: FocusEvent) => {
    if (relatedTarget && !root.current?.contains(relatedTarget)) setOpen(false);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || !open) return;
    event.stopPropagation();
    close();
  };
  return (
    <div
      ref={root}
      className={`carillon-inbox${className ? ` ${className}` : ''}`}
      data-theme={theme}
      data-align={align}
      onBlur={onBlur}
      onKeyDown={onKeyDown}
    >
      <button
        ref={bell}
        type="button"
        className="carillon-inbox-bell"
        aria-label={texts.bell(inbox.unread)}
        aria-haspopup="dialog"
        aria-expanded={open}
        aria-controls={open ? panelId : undefined}
        onClick={() => setOpen(!open)}
      >
        <Bell />
        {inbox.unread > 0 && (
          <span className="carillon-inbox-badge" aria-hidden="true">
            {inbox.unread > 99 ? '99+' : inbox.unread}
          </span>
        )}
      </button>
      <Arrivals items={inbox.items} loaded={inbox.loaded} say={texts.arrived} />
      {open && (
        <Panel id={panelId} texts={texts} locale={props.locale} onItemClick={onItemClick} onClose={close} />
      )}
    </div>
  );
}

/** Says what arrives, for those who do not see the badge. */
function Arrivals({
  items,
  loaded,
  say,
}: {
  items: readonly InboxItem[];
  loaded: boolean;
  say: (title: string) => string;
}): ReactNode {
  const [said, setSaid] = useState('');
  const newest = useRef<number | null>(null);
  const first = items[0];
  useEffect(() => {
    if (!loaded) return;
    if (newest.current !== null && first && first.seq > newest.current) setSaid(say(first.title));
    newest.current = Math.max(newest.current ?? 0, first?.seq ?? 0);
  }, [loaded, first, say]);
  return (
    <span className="carillon-inbox-hidden" role="status">
      {said}
    </span>
  );
}

interface PanelProps {
  id: string;
  texts: InboxTexts;
  locale: string | undefined;
  onItemClick: InboxProps['onItemClick'];
  onClose: () => void;
}

function Panel({ id, texts, locale, onItemClick, onClose }: PanelProps): ReactNode {
  const inbox = useInbox();
  const panel = useRef<HTMLDivElement>(null);
  const now = useNow();
  const language = locale ?? (document.documentElement.lang || undefined);
  useEffect(() => panel.current?.focus(), []);
  const { unseen, markSeen } = inbox;
  useEffect(() => {
    if (unseen > 0) quietly(markSeen());
  }, [unseen, markSeen]);

  const rows = () => [...(panel.current?.querySelectorAll<HTMLElement>('.carillon-inbox-open') ?? [])];
  /** Up and down go through the items, from wherever in one the focus is. */
  const onKeyDown = (event: KeyboardEvent) => {
    const all = rows();
    const at = all.findIndex((row) => row.parentElement?.contains(document.activeElement));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
    if (to === undefined || all.length === 0) return;
    event.preventDefault();
    all[Math.min(Math.max(to, 0), all.length - 1)]?.focus();
  };
  const open = (item: InboxItem, event: MouseEvent<HTMLElement>) => {
    if (item.readAt === null) quietly(inbox.markRead(item.id));
    onItemClick?.(item, event);
  };
  const archive = (item: InboxItem, index: number) => {
    // The focus must not fall out of the list with the item.
    (rows()[index + 1] ?? rows()[index - 1] ?? panel.current)?.focus();
    quietly(inbox.archive(item.id));
  };
  const waiting = !inbox.loaded && inbox.error === null && inbox.status !== 'refused';
  return (
    <div
      ref={panel}
      id={id}
      className="carillon-inbox-panel"
      role="dialog"
      aria-label={texts.title}
      aria-busy={waiting}
      tabIndex={-1}
      onKeyDown={onKeyDown}
    >
      <header className="carillon-inbox-header">
        <h2>{texts.title}</h2>
        {inbox.unread > 0 && (
          <button type="button" className="carillon-inbox-quiet" onClick={() => quietly(inbox.markAllRead())}>
            <Done />
            {texts.markAllRead}
          </button>
        )}
        <button
          type="button"
          className="carillon-inbox-action carillon-inbox-close"
          aria-label={texts.close}
          onClick={onClose}
        >
          <Close />
        </button>
      </header>
      <Notice texts={texts} />
      <div className="carillon-inbox-scroll">
        {waiting && <Skeleton label={texts.loading} />}
        {inbox.loaded && inbox.items.length === 0 && (
          <div className="carillon-inbox-empty">
            <Bell />
            <strong>{texts.empty}</strong>
            <span>{texts.emptyHint}</span>
          </div>
        )}
        {inbox.items.length > 0 && (
          <ul className="carillon-inbox-list">
            {inbox.items.map((item, index) => (
              <Row
                key={item.id}
                item={item}
                now={now}
                locale={language}
                texts={texts}
                onOpen={(event) => open(item, event)}
                onToggleRead={() =>
                  quietly(item.readAt === null ? inbox.markRead(item.id) : inbox.markUnread(item.id))
                }
                onArchive={() => archive(item, index)}
              />
            ))}
          </ul>
        )}
        {inbox.hasMore && (
          <button
            type="button"
            className="carillon-inbox-more"
            aria-disabled={inbox.loadingMore}
            onClick={() => quietly(inbox.loadMore())}
          >
            {inbox.loadingMore ? texts.loading : texts.loadMore}
          </button>
        )}
      </div>
    </div>
  );
}

/** What is wrong, and what to do about it. A connection that is back in a moment is not worth a word. */
function Notice({ texts }: { texts: InboxTexts }): ReactNode {
  const { status, error, load } = useInbox();
  const away = status === 'reconnecting' || status === 'refused';
  const lasting = useLasting(status === 'reconnecting', NOTICED_MS);
  if (status === 'reconnecting' ? !lasting : status !== 'refused' && error === null) return null;
  const what = status === 'refused' ? texts.refused : away ? texts.reconnecting : texts.failed;
  return (
    <div className="carillon-inbox-notice" role="alert">
      <span>{what}</span>
      {away && (
        <button type="button" className="carillon-inbox-quiet" onClick={() => quietly(load())}>
          {texts.tryAgain}
        </button>
      )}
    </div>
  );
}

/** Whether something has been so for a while. */
function useLasting(so: boolean, ms: number): boolean {
  const [lasting, setLasting] = useState(false);
  useEffect(() => {
    if (!so) return;
    const timer = setTimeout(() => setLasting(true), ms);
    return () => {
      clearTimeout(timer);
      setLasting(false);
    };
  }, [so, ms]);
  return so && lasting;
}

function Skeleton({ label }: { label: string }): ReactNode {
  return (
    <div className="carillon-inbox-skeleton" role="status">
      <span className="carillon-inbox-hidden">{label}</span>
      {['a', 'b', 'c'].map((key) => (
        <span key={key} aria-hidden="true">
          <i />
          <i />
        </span>
      ))}
    </div>
  );
}

/** The time, every minute. */
function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), MINUTE_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}
