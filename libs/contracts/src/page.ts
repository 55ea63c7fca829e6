/** Cursor paging, the same for every list. */
import { z } from 'zod';

export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: z.string().max(500).optional().describe('`nextCursor` of the page before.'),
});
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable().describe('Null on the last page.') });
export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}
/** Times cross the wire as RFC 3339 with an offset. */
export const Time = z.iso.datetime({ offset: true });
export const Id = z.uuid();
