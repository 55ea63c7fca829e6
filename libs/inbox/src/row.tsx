/** One item of the list. Its texts are shown as text; an address that could run something is no link. */
import { useState } from 'react';
import type { MouseEvent, ReactNode } from 'react';
import { ago } from './ago.js';
import { Archive, Check, Dot } from './icons.js';
import type { InboxItem } from './item.js';
import { safeUrl } from './safe-url.js';
import type { InboxTexts } from './texts.js';

export interface RowProps {
  item: InboxItem;
  now: number;
  locale: string | undefined;
  texts: InboxTexts;
  onOpen: (event: MouseEvent<HTMLElement>) => void;
  onToggleRead: () => void;
  onArchive: () => void;
}

export function Row({ item, now, locale, texts, onOpen, onToggleRead, onArchive }: RowProps): ReactNode {
  const unread = item.readAt === null;
  const url = safeUrl(item.url);
  const content = (
    <>
      <Picture url={safeUrl(item.imageUrl)} />
      <span className="carillon-inbox-words">
        <span className="carillon-inbox-item-title">
          {unread && <span className="carillon-inbox-hidden">{texts.unread}: </span>}
          {item.title}
        </span>
        {item.body !== '' && <span className="carillon-inbox-item-body">{item.body}</span>}
        <time dateTime={item.createdAt} title={new Date(item.createdAt).toLocaleString(locale)}>
          {ago(item.createdAt, now, locale, texts.now)}
        </time>
      </span>
    </>
  );
  const toggle = unread ? texts.markRead(item.title) : texts.markUnread(item.title);
  return (
    <li className="carillon-inbox-item" data-unread={unread || undefined}>
      {url === null ? (
        <button type="button" className="carillon-inbox-open" onClick={onOpen}>
          {content}
        </button>
      ) : (
        <a className="carillon-inbox-open" href={url} onClick={onOpen}>
          {content}
        </a>
      )}
      <span className="carillon-inbox-actions">
        <button
          type="button"
          className="carillon-inbox-action"
          aria-label={toggle}
          title={toggle}
          onClick={onToggleRead}
        >
          {unread ? <Check /> : <Dot />}
        </button>
        <button
          type="button"
          className="carillon-inbox-action"
          aria-label={texts.archive(item.title)}
          title={texts.archive(item.title)}
          onClick={onArchive}
        >
          <Archive />
        </button>
      </span>
    </li>
  );
}

/** A picture that cannot be shown leaves no hole. */
function Picture({ url }: { url: string | null }): ReactNode {
  const [broken, setBroken] = useState<string | null>(null);
  if (url === null || broken === url) return null;
  return (
    <img
      className="carillon-inbox-picture"
      src={url}
      alt=""
      loading="lazy"
      referrerPolicy="no-referrer"
      onError={() => setBroken(url)}
    />
  );
}
