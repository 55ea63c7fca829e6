/** Who is signed in and what they may do. Pages ask `useCan` before they show anything that writes. */
import type { Scope } from '@carillon/contracts';
import { queryOptions, useSuspenseQuery } from '@tanstack/react-query';
import { api } from './api.js';

export const meQuery = queryOptions({ queryKey: ['me'], queryFn: () => api.me(), staleTime: 60_000 });

/** Inside the shell only: the route has loaded it before anything is drawn. */
export const useMe = () => useSuspenseQuery(meQuery).data;
export const useCan = (scope: Scope): boolean => useMe().scopes.includes(scope);
