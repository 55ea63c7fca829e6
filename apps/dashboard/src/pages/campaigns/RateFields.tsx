/** How fast a campaign goes out: so many in a period. */
import { Input, NumberInput, Select } from '@mantine/core';
import type { CampaignDefinition } from '@carillon/contracts';
import classes from './Campaigns.module.css';

type Rate = CampaignDefinition['rate'];
type Per = Exclude<Rate, number | undefined>['per'];

interface Props {
  rate: Rate;
  readOnly: boolean;
  error: string | undefined;
  set: (rate: Rate) => void;
}

export const RateFields = ({ rate, readOnly, error, set }: Props) => {
  const { count, per } = typeof rate === 'object' ? rate : { count: rate, per: 'second' as Per };
  const put = (next: number | undefined, unit: Per) =>
    set(next === undefined ? undefined : unit === 'second' ? next : { count: next, per: unit });
  return (
    <Input.Wrapper label="At most" description="Messages on each channel" error={error}>
      <div className={classes.rate}>
        <NumberInput
          aria-label="Messages at most"
          placeholder="As fast as it goes"
          readOnly={readOnly}
          min={1}
          allowDecimal={false}
          value={count ?? ''}
          onChange={(value) => put(value === '' ? undefined : Number(value), per)}
        />
        <Select
          aria-label="In each"
          readOnly={readOnly}
          disabled={count === undefined}
          allowDeselect={false}
          data={[
            { value: 'second', label: 'a second' },
            { value: 'minute', label: 'a minute' },
            { value: 'hour', label: 'an hour' },
            { value: 'day', label: 'a day' },
          ]}
          value={per}
          onChange={(unit) => put(count, unit as Per)}
        />
      </div>
    </Input.Wrapper>
  );
};
