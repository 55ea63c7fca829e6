/**
 * What a message says, per channel. Text fields are Liquid. The same shapes are used inline in a send and inside a
 * template version.
 */
import { z } from 'zod';
import { AnyJson } from './json.js';

const liquid = (max: number) => z.string().min(1).max(max);
const headerText = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((s) => !/[\r\n\0]/.test(s), { message: 'must not hold line breaks or NUL: it becomes a header' });
const httpUrl = z
  .url({ protocol: /^https?$/ })
  .or(
    z
      .string()
      .regex(/^\{\{.*\}\}$|^https?:\/\/.*\{\{.*\}\}/s, 'an http(s) address, or Liquid that makes one'),
  );

export const EmailContent = z
  .strictObject({
    subject: headerText(998).describe('Liquid. One line.'),
    html: liquid(500_000).optional().describe('Liquid HTML, or MJML when it starts with <mjml>.'),
    text: liquid(200_000).optional().describe('Liquid. Made from the HTML when left out.'),
    from: headerText(320)
      .optional()
      .describe('Overrides the sender of the provider account: `Name <address>`.'),
    preheader: liquid(500).optional(),
  })
  .refine((c) => c.html ?? c.text, { message: 'give html, text, or both' })
  .meta({ id: 'EmailContent' });
export const SmsContent = z
  .strictObject({ body: liquid(1600).describe('Liquid. Segments are counted after rendering.') })
  .meta({ id: 'SmsContent' });
export const PushContent = z
  .strictObject({
    title: liquid(200),
    body: liquid(2000),
    url: httpUrl.optional().describe('Opened when the person taps it.'),
    imageUrl: httpUrl.optional(),
    data: z
      .record(z.string().max(100), z.string().max(1000))
      .optional()
      .describe('Handed to the app as it is.'),
    collapseKey: z.string().max(64).optional(),
  })
  .meta({ id: 'PushContent' });
export const InAppContent = z
  .strictObject({
    title: liquid(200),
    body: liquid(5000),
    url: httpUrl.optional(),
    imageUrl: httpUrl.optional(),
    data: z.record(z.string(), AnyJson).optional(),
  })
  .meta({ id: 'InAppContent' });

export const ContentByChannel = z
  .strictObject({
    email: EmailContent.optional(),
    sms: SmsContent.optional(),
    push: PushContent.optional(),
    'in-app': InAppContent.optional(),
  })
  .refine((c) => Object.values(c).some(Boolean), { message: 'give content for at least one channel' })
  .meta({ id: 'ContentByChannel' });
export type ContentByChannel = z.infer<typeof ContentByChannel>;
export type EmailContent = z.infer<typeof EmailContent>;
export type SmsContent = z.infer<typeof SmsContent>;
export type PushContent = z.infer<typeof PushContent>;
export type InAppContent = z.infer<typeof InAppContent>;
