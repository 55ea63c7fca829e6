/**
 * The dashboard's only way to the API: the SDK in session mode. Two things a browser does better by an address alone
 * stand beside it: the CSV download, and the live stream (EventSource tells when it is connected).
 */
import { Carillon, type DeliveryQuery, type Paging } from '@carillon/sdk';

export { ApiProblem, ConnectionError, TimeoutError } from '@carillon/sdk';
export type { DeliveryQuery } from '@carillon/sdk';

export const api = new Carillon({ session: true, maxRetries: 1 });

const addressOf = (path: string, query: object): string => {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  const text = search.toString();
  return text ? `${path}?${text}` : path;
};
export const csvUrl = (query: DeliveryQuery): string => addressOf('/v1/deliveries.csv', query);
export const streamUrl = (query: DeliveryQuery): string => addressOf('/v1/deliveries/stream', query);
/** Numbers of a campaign while they change. */
export const campaignStreamUrl = (id: string): string => `/v1/campaigns/${id}/stream`;
export type DeliveryPageQuery = DeliveryQuery & Paging;
