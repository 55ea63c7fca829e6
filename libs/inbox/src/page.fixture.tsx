/** A page that somebody else's site might have: bundled and served by bell.browser.spec.ts. */
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { Inbox, InboxProvider, useInbox } from './react.js';

const query = new URLSearchParams(location.search);
const root = document.getElementById('root');

async function token(): Promise<string> {
  const answer = await fetch(`/inbox-token?person=${query.get('person')}`);
  return answer.text();
}

function Count() {
  const { unread, status } = useInbox();
  return (
    <output>
      {status}, {unread} unread
    </output>
  );
}

if (root)
  createRoot(root).render(
    <StrictMode>
      <InboxProvider baseUrl={query.get('api') ?? ''} token={token} pageSize={5}>
        <header>
          <strong>Corner Shop</strong>
          <Count />
          <a href="#elsewhere">Elsewhere</a>
          <Inbox theme={(query.get('theme') ?? 'auto') as 'auto'} />
        </header>
        <main>
          <p>The page itself.</p>
        </main>
      </InboxProvider>
    </StrictMode>,
  );
