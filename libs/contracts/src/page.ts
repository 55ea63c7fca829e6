/** Cursor paging, the same for every list. */
import { z } from 'zod';

/** Where a page goes on, by what the places of its list look like. */
const cursorLike = (place: RegExp) =>
  z
    .string()
    .max(500)
    .regex(place, 'is not a cursor of this list: give nextCursor of the page before, or leave it out')
    .optional()
    .describe('`nextCursor` of the page before.');

const id = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** The list is in the order of its ids. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(200).default(50),
  cursor: cursorLike(id),
});
/** For lists of another order, to extend {@link PageQuery} with. */
export const cursors = {
  byKey: { cursor: cursorLike(/^[a-z0-9][a-z0-9._-]{0,99}$/) },
  byNumber: { cursor: cursorLike(/^\d{1,15}$/) },
  byNumberOrId: { cursor: cursorLike(new RegExp(`^\\d{1,15}$|${id.source}`)) },
  /** Several things in one, read by who wrote them. */
  sealed: { cursor: cursorLike(/^[\w-]+$/) },
};
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().nullable().describe('Null on the last page.') });
export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}
/** Times cross the wire as RFC 3339 with an offset. */
export const Time = z.iso.datetime({ offset: true });
export const Id = z.uuid();
