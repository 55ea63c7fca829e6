/** Who gets nothing of a campaign, to be compared with, and what by. */
import { NumberInput, SimpleGrid, TextInput } from '@mantine/core';
import type { CampaignDefinition } from '@carillon/contracts';

type Holdout = NonNullable<CampaignDefinition['holdout']>;
interface Props {
  holdout: Holdout | undefined;
  readOnly: boolean;
  error: string | undefined;
  set: (holdout: Holdout | undefined) => void;
}

export const HoldoutFields = ({ holdout, readOnly, error, set }: Props) => (
  <SimpleGrid cols={{ base: 1, sm: 3 }} verticalSpacing="md">
    <NumberInput
      label="Held out"
      description="They get nothing, to be compared with"
      placeholder="Nobody"
      suffix=" %"
      readOnly={readOnly}
      error={error}
      min={0.1}
      max={50}
      value={holdout?.percent ?? ''}
      onChange={(value) =>
        set(value === '' ? undefined : { within: '7d', ...holdout, percent: Number(value) })
      }
    />
    <TextInput
      label="Measured by"
      description="An event that people do"
      placeholder="order.placed"
      readOnly={readOnly}
      disabled={!holdout}
      value={holdout?.event ?? ''}
      onChange={(change) => {
        if (!holdout) return;
        const { event: _, ...rest } = holdout;
        const event = change.currentTarget.value;
        set(event ? { ...rest, event } : rest);
      }}
    />
    <TextInput
      label="Within"
      description="Since it began"
      readOnly={readOnly}
      disabled={!holdout}
      value={holdout?.within ?? '7d'}
      onChange={(event) => holdout && set({ ...holdout, within: event.currentTarget.value })}
    />
  </SimpleGrid>
);
