/**
 * Settings of a provider account: described as JSON Schema, judged by the provider's own schema, and divided into what
 * may be read again and secrets, which may not. Pure. Called by accounts.ts.
 */
import type { Channel as ChannelName, ProblemError, ProviderInfo } from '@carillon/contracts';
import type { Provider } from '@carillon/delivery-rules';
import { errorsOf } from '@carillon/server';
import { z } from 'zod';
import { channelShapes } from './channels.js';

export type Settings = Record<string, z.core.util.JSONType>;
interface Field {
  secret: boolean;
  operatorOnly: boolean;
}

export const providerOf = (channel: ChannelName, name: string): Provider | undefined =>
  channelShapes[channel].providers.find((provider) => provider.name === name);

/** What this installation can send by. */
export const providerInfos = (): ProviderInfo[] =>
  Object.values(channelShapes).flatMap(({ channel, providers }) =>
    providers.map((provider) => ({
      channel,
      name: provider.name,
      title: provider.title,
      docs: provider.docs,
      webhooks: provider.parseWebhook !== undefined,
      settings: settingsSchema(provider),
    })),
  );

const schemas = new WeakMap<Provider, ProviderInfo['settings']>();
/** JSON Schema of what an author writes: secrets carry `x-secret`. */
export function settingsSchema(provider: Provider): ProviderInfo['settings'] {
  const known = schemas.get(provider);
  if (known) return known;
  const schema = z.toJSONSchema(provider.settings, {
    io: 'input',
    unrepresentable: 'any',
    override: ({ jsonSchema }) => {
      if (jsonSchema.secret === true) jsonSchema['x-secret'] = true;
      delete jsonSchema.secret;
    },
  }) as ProviderInfo['settings'];
  schemas.set(provider, schema);
  return schema;
}

/** The settings of a provider by name. */
export function fieldsOf(provider: Provider): Map<string, Field> {
  const properties = (settingsSchema(provider).properties ?? {}) as Record<string, Record<string, unknown>>;
  return new Map(
    Object.entries(properties).map(([name, property]) => [
      name,
      { secret: property['x-secret'] === true, operatorOnly: property.operatorOnly === true },
    ]),
  );
}

/**
 * @param settings all of them, secrets included
 * @param changed the fields that the caller wrote; the others stand as an operator left them
 * @param operator whether the caller may set what only operators may
 * @returns problems with pointers under `/settings`; never with a value
 */
export function judgeSettings(
  provider: Provider,
  settings: Settings,
  changed: readonly string[],
  operator: boolean,
): ProblemError[] {
  const fields = fieldsOf(provider);
  const at = (name: string) => `/settings/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  const unknown = Object.keys(settings).filter((name) => !fields.has(name));
  const forbidden = operator ? [] : changed.filter((name) => fields.get(name)?.operatorOnly);
  const result = provider.settings.safeParse(settings);
  return [
    ...unknown.map((name) => ({
      pointer: at(name),
      code: 'unknown_field',
      message: `${provider.title} has no such setting: it has ${[...fields.keys()].join(', ') || 'none'}`,
    })),
    ...forbidden.map((name) => ({
      pointer: at(name),
      code: 'operator_only',
      message: 'only the operator of this installation may set it: leave it out',
    })),
    ...(result.success ? [] : errorsOf(provider.settings, settings, result.error, '/settings')),
  ];
}

/** Divides settings into those that are kept open and those that are sealed. */
export function divideSettings(
  provider: Provider,
  settings: Settings,
): { open: Settings; secrets: Record<string, string> } {
  const fields = fieldsOf(provider);
  const entries = Object.entries(settings);
  return {
    open: Object.fromEntries(entries.filter(([name]) => !fields.get(name)?.secret)),
    secrets: Object.fromEntries(
      entries.flatMap(([name, value]) =>
        fields.get(name)?.secret && typeof value === 'string' ? [[name, value]] : [],
      ),
    ),
  };
}
