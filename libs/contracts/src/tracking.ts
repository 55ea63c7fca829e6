/** Counting opens and clicks of emails. */
import { z } from 'zod';

const parameter = z.string().min(1).max(200);
export const Tracking = z
  .strictObject({
    opens: z.boolean().optional().describe('A picture that says when the mail is opened.'),
    clicks: z
      .boolean()
      .optional()
      .describe('Links lead over this installation. A link with data-track="off" stays as it is.'),
    utm: z
      .strictObject({
        source: parameter.optional(),
        medium: parameter.optional(),
        campaign: parameter.optional(),
        term: parameter.optional(),
        content: parameter.optional(),
      })
      .optional()
      .describe('Parameters that every link gets which does not have them: utm_source and so on.'),
  })
  .meta({
    id: 'Tracking',
    description:
      'Of emails with HTML. What is left out is as the policy of the workspace says for the class.',
  });
export type Tracking = z.infer<typeof Tracking>;

/** Who opened or clicked, as far as it can be told. */
export const engagementBy = ['person', 'proxy', 'machine'] as const;
export const EngagementBy = z
  .enum(engagementBy)
  .describe(
    '`proxy`: a mailbox that loads pictures for the person when the mail is shown. `machine`: a scanner, or a mailbox that loads everything beforehand.',
  );
export type EngagementBy = z.infer<typeof EngagementBy>;
