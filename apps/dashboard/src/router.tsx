/**
 * Every page's address, what its query string may hold, and which chunk it lives in. Query strings are plain words
 * (`?status=failed,unknown`), so that people can write and share them.
 */
import type { QueryClient } from '@tanstack/react-query';
import { suppressionReasons, type SuppressionReason } from '@carillon/contracts';
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { ApiProblem } from './api.js';
import { parseDeliverySearch } from './pages/deliveries/filters.js';
import { parseFailuresSearch } from './pages/failures/period.js';
import { parseHomeSearch } from './pages/home/period.js';
import { PageFailed, PageMissing, PagePending } from './parts/PageStates.js';
import { meQuery } from './session.js';
import { Shell } from './shell/Shell.js';

interface Context {
  queryClient: QueryClient;
}
type Words = Record<string, unknown>;
const word = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

const root = createRootRouteWithContext<Context>()({
  component: Outlet,
  notFoundComponent: PageMissing,
  errorComponent: PageFailed,
});
const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: (search: Words): { next?: string } => ({ next: word(search.next) }),
  component: lazyRouteComponent(() => import('./pages/SignIn.js'), 'SignIn'),
});
const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  component: Shell,
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queryClient.ensureQueryData(meQuery);
    } catch (error) {
      if (error instanceof ApiProblem && error.code === 'unauthenticated')
        throw redirect({
          to: '/sign-in',
          search: { next: location.href === '/' ? undefined : location.href },
        });
      throw error;
    }
  },
});
const home = createRoute({
  getParentRoute: () => app,
  path: '/',
  validateSearch: parseHomeSearch,
  component: lazyRouteComponent(() => import('./pages/home/Home.js'), 'Home'),
});
const deliveries = createRoute({
  getParentRoute: () => app,
  path: '/deliveries',
  validateSearch: parseDeliverySearch,
  component: lazyRouteComponent(() => import('./pages/deliveries/Deliveries.js'), 'Deliveries'),
});
const delivery = createRoute({
  getParentRoute: () => app,
  path: '/deliveries/$id',
  component: lazyRouteComponent(() => import('./pages/delivery/DeliveryPage.js'), 'DeliveryPage'),
});
const failures = createRoute({
  getParentRoute: () => app,
  path: '/failures',
  validateSearch: parseFailuresSearch,
  component: lazyRouteComponent(() => import('./pages/failures/Failures.js'), 'Failures'),
});
const lanes = createRoute({
  getParentRoute: () => app,
  path: '/lanes',
  component: lazyRouteComponent(() => import('./pages/lanes/Lanes.js'), 'Lanes'),
});
const channels = createRoute({
  getParentRoute: () => app,
  path: '/channels',
  component: lazyRouteComponent(() => import('./pages/channels/Channels.js'), 'Channels'),
});
const accounts = createRoute({
  getParentRoute: () => app,
  path: '/accounts',
  component: lazyRouteComponent(() => import('./pages/accounts/Accounts.js'), 'Accounts'),
});
const newAccount = createRoute({
  getParentRoute: () => app,
  path: '/accounts/new',
  validateSearch: (search: Words): { channel?: string; provider?: string } => ({
    channel: word(search.channel),
    provider: word(search.provider),
  }),
  component: lazyRouteComponent(() => import('./pages/accounts/NewAccount.js'), 'NewAccount'),
});
const account = createRoute({
  getParentRoute: () => app,
  path: '/accounts/$id',
  component: lazyRouteComponent(() => import('./pages/accounts/AccountPage.js'), 'AccountPage'),
});
const templates = createRoute({
  getParentRoute: () => app,
  path: '/templates',
  validateSearch: (search: Words): { search?: string; cursor?: string } => ({
    search: word(search.search),
    cursor: word(search.cursor),
  }),
  component: lazyRouteComponent(() => import('./pages/templates/Templates.js'), 'Templates'),
});
const newTemplate = createRoute({
  getParentRoute: () => app,
  path: '/templates/new',
  component: lazyRouteComponent(() => import('./pages/templates/TemplatePage.js'), 'NewTemplatePage'),
});
const template = createRoute({
  getParentRoute: () => app,
  path: '/templates/$key',
  validateSearch: (search: Words): { version?: number } => {
    const version = Number(search.version);
    return { version: Number.isInteger(version) && version > 0 ? version : undefined };
  },
  component: lazyRouteComponent(() => import('./pages/templates/TemplatePage.js'), 'TemplatePage'),
});
const profiles = createRoute({
  getParentRoute: () => app,
  path: '/profiles',
  validateSearch: (search: Words): { search?: string; cursor?: string } => ({
    search: word(search.search),
    cursor: word(search.cursor),
  }),
  component: lazyRouteComponent(() => import('./pages/profiles/Profiles.js'), 'Profiles'),
});
const profile = createRoute({
  getParentRoute: () => app,
  path: '/profiles/$externalId',
  component: lazyRouteComponent(() => import('./pages/profiles/ProfilePage.js'), 'ProfilePage'),
});
const audiences = createRoute({
  getParentRoute: () => app,
  path: '/audiences',
  validateSearch: (search: Words): { search?: string; cursor?: string } => ({
    search: word(search.search),
    cursor: word(search.cursor),
  }),
  component: lazyRouteComponent(() => import('./pages/audiences/Audiences.js'), 'Audiences'),
});
const newAudience = createRoute({
  getParentRoute: () => app,
  path: '/audiences/new',
  component: lazyRouteComponent(() => import('./pages/audiences/AudiencePage.js'), 'NewAudiencePage'),
});
const audience = createRoute({
  getParentRoute: () => app,
  path: '/audiences/$key',
  component: lazyRouteComponent(() => import('./pages/audiences/AudiencePage.js'), 'AudiencePage'),
});
const campaigns = createRoute({
  getParentRoute: () => app,
  path: '/campaigns',
  validateSearch: (search: Record<string, unknown>): { cursor?: string; month?: string } => ({
    cursor: word(search.cursor),
    month: word(search.month),
  }),
  component: lazyRouteComponent(() => import('./pages/campaigns/Campaigns.js'), 'Campaigns'),
});
const newCampaign = createRoute({
  getParentRoute: () => app,
  path: '/campaigns/new',
  component: lazyRouteComponent(() => import('./pages/campaigns/CampaignPage.js'), 'NewCampaignPage'),
});
const campaign = createRoute({
  getParentRoute: () => app,
  path: '/campaigns/$id',
  component: lazyRouteComponent(() => import('./pages/campaigns/CampaignPage.js'), 'CampaignPage'),
});
const journeys = createRoute({
  getParentRoute: () => app,
  path: '/journeys',
  validateSearch: (search: Words): { search?: string; cursor?: string } => ({
    search: word(search.search),
    cursor: word(search.cursor),
  }),
  component: lazyRouteComponent(() => import('./pages/journeys/Journeys.js'), 'Journeys'),
});
const draftOrVersion = (value: unknown): 'draft' | number | undefined => {
  const version = Number(value);
  return value === 'draft' ? 'draft' : Number.isInteger(version) && version > 0 ? version : undefined;
};
const journey = createRoute({
  getParentRoute: () => app,
  path: '/journeys/$key',
  validateSearch: (
    search: Words,
  ): { as?: 'json' | 'people' | 'simulation'; version?: 'draft' | number; with?: 'draft' | number } => ({
    as: search.as === 'json' || search.as === 'people' || search.as === 'simulation' ? search.as : undefined,
    version: draftOrVersion(search.version),
    with: draftOrVersion(search.with),
  }),
  component: lazyRouteComponent(() => import('./pages/journeys/JourneyPage.js'), 'JourneyPage'),
});
const imports = createRoute({
  getParentRoute: () => app,
  path: '/imports',
  validateSearch: (search: Words): { kind?: 'suppressions'; audience?: string } => ({
    kind: search.kind === 'suppressions' ? 'suppressions' : undefined,
    audience: word(search.audience),
  }),
  component: lazyRouteComponent(() => import('./pages/imports/Imports.js'), 'Imports'),
});
const topics = createRoute({
  getParentRoute: () => app,
  path: '/topics',
  component: lazyRouteComponent(() => import('./pages/topics/Topics.js'), 'Topics'),
});
const suppression = createRoute({
  getParentRoute: () => app,
  path: '/suppression',
  validateSearch: (search: Words): { search?: string; reason?: SuppressionReason; cursor?: string } => ({
    search: word(search.search),
    reason: suppressionReasons.find((reason) => reason === search.reason),
    cursor: word(search.cursor),
  }),
  component: lazyRouteComponent(() => import('./pages/suppression/Suppression.js'), 'Suppression'),
});
const webhooks = createRoute({
  getParentRoute: () => app,
  path: '/webhooks',
  component: lazyRouteComponent(() => import('./pages/webhooks/Webhooks.js'), 'Webhooks'),
});
const webhook = createRoute({
  getParentRoute: () => app,
  path: '/webhooks/$id',
  component: lazyRouteComponent(() => import('./pages/webhooks/WebhookPage.js'), 'WebhookPage'),
});
const gate = createRoute({
  getParentRoute: () => app,
  path: '/gate',
  component: lazyRouteComponent(() => import('./pages/gate/Gate.js'), 'Gate'),
});
const policies = createRoute({
  getParentRoute: () => app,
  path: '/policies',
  component: lazyRouteComponent(() => import('./pages/policies/Policies.js'), 'Policies'),
});
const keys = createRoute({
  getParentRoute: () => app,
  path: '/keys',
  component: lazyRouteComponent(() => import('./pages/keys/Keys.js'), 'Keys'),
});

const audit = createRoute({
  getParentRoute: () => app,
  path: '/audit',
  validateSearch: (search: Words): { cursor?: string } => ({ cursor: word(search.cursor) }),
  component: lazyRouteComponent(() => import('./pages/audit/Audit.js'), 'Audit'),
});

const routeTree = root.addChildren([
  signIn,
  app.addChildren([
    home,
    deliveries,
    delivery,
    lanes,
    failures,
    channels,
    accounts,
    newAccount,
    account,
    templates,
    newTemplate,
    template,
    profiles,
    profile,
    audiences,
    newAudience,
    audience,
    campaigns,
    newCampaign,
    campaign,
    journeys,
    journey,
    imports,
    topics,
    suppression,
    webhooks,
    webhook,
    gate,
    policies,
    keys,
    audit,
  ]),
]);

export const makeRouter = (queryClient: QueryClient) =>
  createRouter({
    routeTree,
    context: { queryClient },
    defaultPreload: 'intent',
    scrollRestoration: true,
    defaultPendingComponent: PagePending,
    defaultErrorComponent: PageFailed,
    defaultNotFoundComponent: PageMissing,
    parseSearch: (text) => Object.fromEntries(new URLSearchParams(text)),
    stringifySearch: (search) => {
      const words = new URLSearchParams();
      for (const [key, value] of Object.entries(search))
        if (value !== undefined && value !== '') words.set(key, String(value));
      // Commas, colons and @ may stand as they are in a query; people read these addresses.
      const text = words.toString().replace(/%2C/g, ',').replace(/%3A/g, ':').replace(/%40/g, '@');
      return text && `?${text}`;
    },
  });

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
  interface HistoryState {
    /** Cursors of the pages before this one, oldest last: what "Newer" goes back through. */
    trail?: string[];
  }
}
