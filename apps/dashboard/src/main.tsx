/** Entry of the dashboard: providers around the router. The nonce of the page goes to everything that writes styles. */
import '@mantine/core/styles.css';
import '@mantine/notifications/styles.css';
import './app.css';
import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { ApiProblem } from './api.js';
import { makeRouter } from './router.js';
import { meQuery } from './session.js';
import { cssVariables, theme } from './theme.js';

const nonce = document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';
// The scroll lock under Mantine's modals writes a <style> of its own and looks for the nonce here.
Object.assign(globalThis, { __webpack_nonce__: nonce });

/** A session that ended while somebody was signed in: ask again who we are, which leads to the sign-in page and back.
 * Only for reading: an action that is refused stays where it is and says so, with whatever was typed. */
const onError = (error: Error) => {
  const ended = error instanceof ApiProblem && error.code === 'unauthenticated';
  if (!ended || queryClient.getQueryData(meQuery.queryKey) === undefined) return;
  queryClient.removeQueries({ queryKey: meQuery.queryKey });
  void router.invalidate();
};
const queryClient = new QueryClient({
  queryCache: new QueryCache({ onError }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      retry: (failures, error) => failures < 1 && !(error instanceof ApiProblem && error.status < 500),
    },
  },
});
const router = makeRouter(queryClient);

/** A newer version was installed while this page was open, so its old files are gone: load the new page, but not for ever. */
addEventListener('vite:preloadError', () => {
  if (Date.now() - Number(sessionStorage.getItem('reloaded-at')) < 30_000) return;
  sessionStorage.setItem('reloaded-at', String(Date.now()));
  location.reload();
});

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');
createRoot(root).render(
  <StrictMode>
    <MantineProvider
      theme={theme}
      cssVariablesResolver={cssVariables}
      defaultColorScheme="auto"
      getStyleNonce={() => nonce}
    >
      <QueryClientProvider client={queryClient}>
        <Notifications position="bottom-right" autoClose={5000} />
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>
  </StrictMode>,
);
