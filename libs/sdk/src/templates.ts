/**
 * Types of a send. With the interface that `carillon types` writes, `template` and `data` are checked by the compiler:
 * an unknown template, a missing or misspelt variable does not compile. Types only; the server checks the same again.
 */
import type { ContentByChannel, SendMessageInput } from '@carillon/contracts';

/** What JSON can hold. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** Templates by key with the data each one needs. Without generated types: any key, any data. */
export interface AnyTemplates {
  [key: string]: Record<string, Json>;
}

/** Events by name with their properties. Without generated types: any name, any properties. */
export interface AnyEvents {
  [name: string]: Record<string, Json>;
}

/** By which channels: all of `channels`, or `route` in order until one succeeds. */
type By =
  | { channels: NonNullable<SendMessageInput['channels']>; route?: undefined }
  | { route: NonNullable<SendMessageInput['route']>; channels?: undefined };

type WithTemplate<Templates> = {
  [Key in keyof Templates & string]: {
    template: Key | { key: Key; version?: number };
    content?: undefined;
  } & (Record<never, never> extends Templates[Key] ? { data?: Templates[Key] } : { data: Templates[Key] });
}[keyof Templates & string];

interface WithContent {
  content: ContentByChannel;
  template?: undefined;
  /** Variables of the Liquid in `content`. */
  data?: Record<string, Json>;
}

/** One message. Times may be given as Date. */
export type Send<Templates = AnyTemplates> = Omit<
  SendMessageInput,
  'channels' | 'route' | 'content' | 'template' | 'data' | 'sendAt' | 'expiresAt'
> & { sendAt?: string | Date; expiresAt?: string | Date } & By &
  (WithContent | WithTemplate<Templates>);
