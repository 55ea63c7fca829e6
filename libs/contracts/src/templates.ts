/** Templates: what is said, per channel and locale, in numbered versions that never change. */
import { z } from 'zod';
import { ContentByChannel } from './content.js';
import { RenderedContent } from './deliveries.js';
import { Data } from './messages.js';
import { cursors, Id, PageQuery, Time } from './page.js';
import { Channel } from './words.js';

export const TemplateKey = z
  .string()
  .min(1)
  .max(100)
  .regex(
    /^[a-z0-9][a-z0-9._-]*$/,
    'small letters, digits, dot, dash and underscore, for example order-shipped',
  );
export const TemplateSave = z
  .strictObject({
    name: z.string().min(1).max(200).optional(),
    content: ContentByChannel,
    locales: z
      .record(z.string().max(35), ContentByChannel)
      .optional()
      .describe('Content that replaces the default for a locale, by BCP 47 tag.'),
    variables: z
      .record(
        z.string(),
        z.strictObject({
          type: z.enum(['string', 'number', 'boolean', 'object', 'array']).default('string'),
          required: z.boolean().default(true),
          example: z.json().optional(),
        }),
      )
      .optional()
      .describe('Left out: found in the Liquid.'),
  })
  .meta({ id: 'TemplateSave' });
export type TemplateSave = z.infer<typeof TemplateSave>;
export const TemplateVariable = z.object({
  name: z.string(),
  type: z.enum(['string', 'number', 'boolean', 'object', 'array', 'unknown']),
  required: z.boolean(),
  example: z.json().optional(),
});
export type TemplateVariable = z.infer<typeof TemplateVariable>;
export const Template = z
  .object({
    id: Id,
    key: z.string(),
    name: z.string(),
    version: z.number().describe('The newest version.'),
    channels: z.array(Channel),
    variables: z.array(TemplateVariable),
    createdAt: Time,
    updatedAt: Time,
  })
  .meta({ id: 'Template' });
export type Template = z.infer<typeof Template>;
export const TemplateVersion = z
  .object({
    version: z.number(),
    content: ContentByChannel,
    locales: z.record(z.string(), ContentByChannel),
    variables: z.array(TemplateVariable),
    createdAt: Time,
  })
  .meta({ id: 'TemplateVersion' });
export type TemplateVersion = z.infer<typeof TemplateVersion>;
export const TemplateDetail = Template.extend({
  current: TemplateVersion,
  versions: z.array(z.object({ version: z.number(), createdAt: Time })),
  rendering: z
    .enum(['fast', 'sandboxed'])
    .describe('How messages of the newest version are rendered: `sandboxed` takes about ten times as long.'),
  warnings: z
    .array(z.object({ pointer: z.string(), code: z.string(), message: z.string() }))
    .describe('What keeps the newest version from being rendered fast. Nothing is wrong with it.'),
}).meta({ id: 'TemplateDetail' });
export type TemplateDetail = z.infer<typeof TemplateDetail>;
export const TemplateList = PageQuery.extend({ ...cursors.byKey, search: z.string().max(100).optional() });
export const PreviewRequest = z
  .strictObject({
    channel: Channel,
    content: ContentByChannel.optional().describe('Unsaved content; else the stored version.'),
    version: z.int().min(1).optional(),
    data: Data.optional(),
    profile: z.string().max(200).optional().describe('External id of a profile to render for.'),
    locale: z.string().max(35).optional(),
  })
  .meta({ id: 'PreviewRequest' });
export const Preview = z
  .object({
    rendered: RenderedContent.nullable(),
    errors: z.array(z.object({ pointer: z.string(), code: z.string(), message: z.string() })),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'Preview' });
export type Preview = z.infer<typeof Preview>;
