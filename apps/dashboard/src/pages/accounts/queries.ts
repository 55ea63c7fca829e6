/** What the account and channel pages ask, under one set of keys. */
import { queryOptions } from '@tanstack/react-query';
import { api } from '../../api.js';

export const providersQuery = queryOptions({
  queryKey: ['providers'],
  queryFn: () => api.accounts.providers(),
  staleTime: Infinity,
});
export const accountsQuery = queryOptions({
  queryKey: ['accounts', 'list'],
  queryFn: () => api.accounts.list(),
  refetchInterval: 10_000,
});
export const accountQuery = (id: string) =>
  queryOptions({
    queryKey: ['accounts', 'one', id],
    queryFn: () => api.accounts.get(id),
    refetchInterval: 10_000,
  });
