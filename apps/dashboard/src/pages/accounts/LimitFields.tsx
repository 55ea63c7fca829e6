/** The share and the rate limit of an account, in its form. */
import { NumberInput, Select, SimpleGrid, Textarea, TextInput } from '@mantine/core';
import { periods, type TypedLimit, type TypedWarmUp } from './limit.js';

interface LimitFieldsProps {
  /** Quotas by receiving domain are for mail. */
  byDomain: boolean;
  weight: number | string;
  limit: TypedLimit;
  warmUp: TypedWarmUp;
  errors: Record<string, string | undefined>;
  disabled?: boolean | undefined;
  onWeight: (weight: number | string) => void;
  onLimit: (limit: TypedLimit) => void;
  onWarmUp: (plan: TypedWarmUp) => void;
}

export const LimitFields = ({
  byDomain,
  weight,
  limit,
  warmUp,
  errors,
  disabled,
  onWeight,
  onLimit,
  onWarmUp,
}: LimitFieldsProps) => (
  <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="md">
    <NumberInput
      label="Weight"
      description="Share among accounts of the same order."
      min={0}
      max={1000}
      allowDecimal={false}
      value={weight}
      error={errors.weight}
      disabled={disabled ?? false}
      onChange={onWeight}
    />
    <NumberInput
      label="Rate limit"
      description="Messages. Empty: no limit."
      min={0.001}
      max={1_000_000}
      placeholder="none"
      value={limit.count}
      error={errors.rateLimit}
      disabled={disabled ?? false}
      onChange={(count) => onLimit({ ...limit, count })}
    />
    <Select
      label="In each"
      description="Counted in UTC."
      data={[...periods]}
      allowDeselect={false}
      value={limit.per}
      disabled={(disabled ?? false) || limit.count === ''}
      onChange={(per) => onLimit({ ...limit, per: (per as TypedLimit['per'] | null) ?? 'second' })}
    />
    <NumberInput
      label="At once"
      description="Empty: evenly spread."
      min={1}
      max={1_000_000}
      placeholder="auto"
      value={limit.burst}
      disabled={(disabled ?? false) || limit.count === ''}
      onChange={(burst) => onLimit({ ...limit, burst })}
    />
    <TextInput
      label="Warm-up"
      description="Messages on the first day, the second … Empty: none."
      placeholder="50, 100, 500, 1000"
      value={warmUp.quotas}
      error={errors.warmUp}
      disabled={disabled ?? false}
      onChange={(event) => onWarmUp({ ...warmUp, quotas: event.currentTarget.value })}
    />
    <TextInput
      label="First day"
      description="In UTC."
      type="date"
      value={warmUp.from}
      disabled={(disabled ?? false) || warmUp.quotas === ''}
      onChange={(event) => onWarmUp({ ...warmUp, from: event.currentTarget.value })}
    />
    {byDomain && warmUp.quotas !== '' && (
      <Textarea
        style={{ gridColumn: '1 / -1' }}
        label="Of these, by receiving domain"
        description="A line for each: domains, a colon, messages on the first day, the second …"
        placeholder="gmail.com googlemail.com: 20, 50, 100"
        autosize
        minRows={2}
        value={warmUp.domains}
        disabled={disabled ?? false}
        onChange={(event) => onWarmUp({ ...warmUp, domains: event.currentTarget.value })}
      />
    )}
  </SimpleGrid>
);
