/** Creating or changing a provider account: name, order, and the provider's own settings drawn from its schema. */
import { Anchor, Button, Group, NumberInput, Stack, Text, TextInput } from '@mantine/core';
import type { ProviderAccount, ProviderInfo } from '@carillon/contracts';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { IconExternalLink } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { api, ApiProblem } from '../../api.js';
import { messageOf } from '../../parts/Confirm.js';
import { Notice } from '../../parts/Notice.js';
import { fault, fieldsOf, settingsFrom, typedFrom } from '../../settings/fields.js';
import { SettingsFields } from '../../settings/SettingsFields.js';
import { LimitFields } from './LimitFields.js';
import { limitFrom, pricesFrom, typedLimit, typedPrices, typedWarmUp, warmUpFrom } from './limit.js';

interface AccountFormProps {
  provider: ProviderInfo;
  /** Left out: a new one is created. */
  account?: ProviderAccount;
  readOnly?: boolean;
  onSaved: (account: ProviderAccount) => void;
}
/** `/settings/host` → `host`, `/name` → `name`. */
const fieldOf = (pointer: string): string => pointer.replace(/^\/(settings\/)?/, '').split('/')[0] ?? '';

export const AccountForm = ({ provider, account, readOnly, onSaved }: AccountFormProps) => {
  const fields = useMemo(() => fieldsOf(provider.settings), [provider]);
  const [opened, setOpened] = useState(() => typedFrom(fields, account?.settings));
  const [typed, setTyped] = useState(opened);
  const [name, setName] = useState(account?.name ?? provider.title);
  const [position, setPosition] = useState<number | string>(account?.position ?? 0);
  const [weight, setWeight] = useState<number | string>(account?.weight ?? 1);
  const [limit, setLimit] = useState(() => typedLimit(account?.rateLimit));
  const [warmUp, setWarmUp] = useState(() => typedWarmUp(account?.warmUp));
  const [prices, setPrices] = useState(() => typedPrices(account?.prices));
  const [cleared, setCleared] = useState<ReadonlySet<string>>(new Set());
  const [errors, setErrors] = useState<Record<string, string | undefined>>({});
  const queryClient = useQueryClient();

  const save = useMutation({
    mutationFn: () => {
      const changes = settingsFrom(fields, typed, account && opened);
      for (const secret of cleared) changes[secret] ??= null;
      const shared = {
        name: name.trim(),
        position: Number(position) || 0,
        weight: weight === '' ? 1 : Number(weight),
        rateLimit: limitFrom(limit),
        warmUp: warmUpFrom(warmUp),
        prices: pricesFrom(prices),
      };
      return account
        ? api.accounts.update(account.id, {
            ...shared,
            ...(Object.keys(changes).length && { settings: changes }),
          })
        : api.accounts.create({
            ...shared,
            channel: provider.channel,
            provider: provider.name,
            settings: changes,
          });
    },
    onSuccess: async (saved) => {
      const fresh = typedFrom(fields, saved.settings);
      setOpened(fresh);
      setTyped(fresh);
      setCleared(new Set());
      setErrors({});
      await queryClient.invalidateQueries({ queryKey: ['accounts'] });
      onSaved(saved);
    },
    onError: (error) => {
      if (error instanceof ApiProblem)
        setErrors(
          Object.fromEntries(error.errors.map(({ pointer, message }) => [fieldOf(pointer), message])),
        );
    },
  });
  const submit = () => {
    const found: Record<string, string | undefined> = {};
    if (!name.trim()) found.name = 'Give it a name that you will recognise.';
    for (const field of fields) {
      const isSet = (account?.secretsSet.includes(field.name) ?? false) && !cleared.has(field.name);
      const sentence = fault(field, typed[field.name] ?? '', isSet);
      if (sentence) found[field.name] = sentence;
    }
    setErrors(found);
    const first = Object.keys(found)[0];
    if (!first) return save.mutate();
    document
      .querySelector<HTMLElement>(`[name="${first === 'name' ? 'name' : `settings.${first}`}"]`)
      ?.focus();
  };
  const shown = new Set([
    'name',
    'position',
    'weight',
    'rateLimit',
    'warmUp',
    'prices',
    ...fields.map((field) => field.name),
  ]);
  const placed =
    save.error instanceof ApiProblem && save.error.errors.some(({ pointer }) => shown.has(fieldOf(pointer)));
  const changed =
    !account ||
    name !== account.name ||
    Number(position) !== account.position ||
    Number(weight) !== account.weight ||
    JSON.stringify(limitFrom(limit)) !== JSON.stringify(limitFrom(typedLimit(account.rateLimit))) ||
    JSON.stringify(warmUpFrom(warmUp)) !== JSON.stringify(warmUpFrom(typedWarmUp(account.warmUp))) ||
    JSON.stringify(pricesFrom(prices)) !== JSON.stringify(pricesFrom(typedPrices(account.prices))) ||
    cleared.size > 0 ||
    JSON.stringify(typed) !== JSON.stringify(opened);

  return (
    <form
      noValidate
      aria-label={`Settings of ${provider.title}`}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Stack gap="md">
        <Group gap="md" align="flex-start" grow preventGrowOverflow={false} wrap="wrap">
          <TextInput
            name="name"
            label="Name"
            description="As this workspace calls it."
            withAsterisk
            value={name}
            error={errors.name}
            disabled={readOnly}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <NumberInput
            label="Order"
            description="Lower is tried first."
            min={0}
            max={100}
            allowDecimal={false}
            value={position}
            error={errors.position}
            disabled={readOnly}
            onChange={setPosition}
          />
        </Group>
        <LimitFields
          byDomain={provider.channel === 'email'}
          weight={weight}
          limit={limit}
          warmUp={warmUp}
          errors={errors}
          disabled={readOnly}
          onWeight={setWeight}
          onLimit={setLimit}
          onWarmUp={setWarmUp}
        />
        {provider.channel === 'sms' && (
          <Group gap="md" align="flex-start" wrap="nowrap">
            <TextInput
              style={{ flex: 1 }}
              label="Price of a part"
              description="By the beginning of the number: 0.05 for all, +49 0.075 for some. For reports of campaigns."
              placeholder="0.05, +49 0.075, +1 0.008"
              value={prices.text}
              error={errors.prices}
              disabled={readOnly}
              onChange={(event) => setPrices({ ...prices, text: event.currentTarget.value })}
            />
            <TextInput
              w={90}
              label="In"
              description="Currency."
              maxLength={3}
              value={prices.currency}
              disabled={readOnly || prices.text === ''}
              onChange={(event) => setPrices({ ...prices, currency: event.currentTarget.value })}
            />
          </Group>
        )}
        <SettingsFields
          fields={fields}
          typed={typed}
          errors={errors}
          secretsSet={account?.secretsSet ?? []}
          cleared={cleared}
          disabled={readOnly}
          onChange={(field, value) => {
            setTyped((before) => ({ ...before, [field]: value }));
            setErrors((before) => ({ ...before, [field]: undefined }));
          }}
          onClear={(field, clear) =>
            setCleared((before) => {
              const next = new Set(before);
              if (clear) next.add(field);
              else next.delete(field);
              return next;
            })
          }
        />
        {save.error && !placed && (
          <Notice tone="bad" alert>
            {messageOf(save.error)}
          </Notice>
        )}
        <Group justify="space-between" mt={4}>
          <Anchor href={provider.docs} target="_blank" rel="noreferrer" size="sm">
            <Group gap={5}>
              {provider.title} documentation <IconExternalLink size={13} aria-hidden />
            </Group>
          </Anchor>
          {!readOnly && (
            <Group gap="sm">
              {account && !changed && (
                <Text size="sm" c="dimmed">
                  Saved
                </Text>
              )}
              <Button type="submit" loading={save.isPending} disabled={!changed}>
                {account ? 'Save changes' : 'Create account'}
              </Button>
            </Group>
          )}
        </Group>
      </Stack>
    </form>
  );
};
