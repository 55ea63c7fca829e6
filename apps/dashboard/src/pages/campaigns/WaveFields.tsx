/** In which waves a campaign goes out: how large each is, and how far apart. */
import { Input, Select, TextInput } from '@mantine/core';
import type { CampaignDefinition } from '@carillon/contracts';
import { sizesOf } from './campaign.js';
import classes from './Campaigns.module.css';

type Waves = NonNullable<CampaignDefinition['waves']>;
interface Props {
  /** As it is written: it need not be a list yet. */
  text: string;
  waves: Waves | undefined;
  readOnly: boolean;
  error: string | undefined;
  set: (text: string, waves: Waves | undefined) => void;
}

export const WaveFields = ({ text, waves, readOnly, error, set }: Props) => {
  const { unit = 'percent', every = '1h' } = waves ?? {};
  return (
    <Input.Wrapper label="Waves" description="How large each is, and how far apart: 1, 9, 90" error={error}>
      <div className={classes.waves}>
        <TextInput
          aria-label="Waves"
          placeholder="All at once"
          readOnly={readOnly}
          value={text}
          onChange={(event) => {
            const sizes = sizesOf(event.currentTarget.value);
            set(event.currentTarget.value, sizes ? { unit, every, sizes } : undefined);
          }}
        />
        <Select
          aria-label="Waves are in"
          readOnly={readOnly}
          disabled={!waves}
          allowDeselect={false}
          data={[
            { value: 'percent', label: 'per cent' },
            { value: 'parts', label: 'parts' },
            { value: 'people', label: 'people' },
          ]}
          value={unit}
          onChange={(next) => waves && set(text, { ...waves, unit: next as Waves['unit'] })}
        />
        <TextInput
          aria-label="Waves are apart by"
          readOnly={readOnly}
          disabled={!waves}
          value={every}
          onChange={(event) => waves && set(text, { ...waves, every: event.currentTarget.value })}
        />
      </div>
    </Input.Wrapper>
  );
};
