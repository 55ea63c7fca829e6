/** The share and the rate limit of an account, in its form. */
import { NumberInput, Select, SimpleGrid } from '@mantine/core';
import { periods, type TypedLimit } from './limit.js';

interface LimitFieldsProps {
  weight: number | string;
  limit: TypedLimit;
  errors: Record<string, string | undefined>;
  disabled?: boolean | undefined;
  onWeight: (weight: number | string) => void;
  onLimit: (limit: TypedLimit) => void;
}

export const LimitFields = ({ weight, limit, errors, disabled, onWeight, onLimit }: LimitFieldsProps) => (
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
  </SimpleGrid>
);
