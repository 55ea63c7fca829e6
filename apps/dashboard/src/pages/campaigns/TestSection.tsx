/** How the variants of a test do: rates with where they truly lie, who is likely the best, and who won. */
import { Button, Group, Text } from '@mantine/core';
import type { CampaignTestResult, CampaignTestVariant } from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { IconTrophy } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { Confirm } from '../../parts/Confirm.js';
import { Section } from '../../parts/PageHeader.js';
import { Failure } from '../../parts/PageStates.js';
import { absoluteWithZone } from '../../time.js';
import { whole } from '../home/tally.js';
import { metricWords } from './campaign.js';
import classes from './Campaigns.module.css';

const percent = (share: number) => `${(share * 100).toFixed(share < 0.1 ? 2 : 1)} %`;

export const TestSection = ({ id, live, mayChoose }: { id: string; live: boolean; mayChoose: boolean }) => {
  const queryClient = useQueryClient();
  const [chosen, setChosen] = useState<string>();
  const result = useQuery({
    queryKey: ['campaigns', 'test', id],
    queryFn: () => api.campaigns.test(id),
    refetchInterval: live ? 5000 : false,
  });
  const choose = useMutation({
    mutationFn: (variant: string) => api.campaigns.choose(id, variant),
    onSuccess: async (changed) => {
      queryClient.setQueryData(['campaigns', 'test', id], changed);
      await queryClient.invalidateQueries({ queryKey: ['campaigns', 'numbers', id] });
    },
  });
  const test = result.data;
  if (result.isError && !test)
    return <Failure small error={result.error} retry={() => void result.refetch()} />;
  if (!test) return null;
  const may = mayChoose && test.waiting > 0;
  // One scale for all, so that they can be compared by eye.
  const end = Math.max(...test.variants.filter((v) => v.people > 0).map((v) => v.high), 0.001);
  return (
    <Section title="Which variant does best" pad={false}>
      <div className={classes.progress}>
        <Text size="sm">{sentence(test)}</Text>
      </div>
      <div className={classes.scroll}>
        <table className={classes.table} aria-label="Variants">
          <thead>
            <tr>
              <th scope="col">Variant</th>
              <th scope="col">Reached</th>
              <th scope="col">Of them {metricWords(test.metric)}</th>
              <th scope="col">Rate</th>
              <th scope="col">It lies with 95 % between</th>
              <th scope="col">Is the best</th>
              {may && <th scope="col">Choose</th>}
            </tr>
          </thead>
          <tbody>
            {test.variants.map((v) => (
              <tr key={v.variant}>
                <th scope="row">
                  <Group gap={6} wrap="nowrap">
                    {v.variant}
                    {test.decision?.winner === v.variant && (
                      <IconTrophy size={16} color="var(--status-delivered)" aria-label="Winner" />
                    )}
                  </Group>
                </th>
                <td>{whole(v.people)}</td>
                <td>{whole(v.successes)}</td>
                <td>{v.rate === null ? '—' : percent(v.rate)}</td>
                <td>
                  <Range variant={v} end={end} />
                </td>
                <td>{percent(v.best)}</td>
                {may && (
                  <td>
                    <Button size="compact-xs" variant="default" onClick={() => setChosen(v.variant)}>
                      Choose
                    </Button>
                  </td>
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <Confirm
        opened={chosen !== undefined}
        onClose={() => setChosen(undefined)}
        title={`Tell the rest what “${chosen}” says?`}
        action="End the test"
        onConfirm={() => choose.mutateAsync(chosen!)}
      >
        {whole(test.waiting)} messages leave with it. The test ends, whatever its numbers say.
      </Confirm>
    </Section>
  );
};

function sentence({ decision, waiting, decidesAt, variants }: CampaignTestResult): string {
  if (decision) {
    const then = decision.variants.find((v) => v.variant === decision.winner);
    const sure = then ? `, the best with ${percent(then.best)}` : '';
    const why = {
      time: `its time was over${sure}`,
      confidence: `it was sure enough${sure}`,
      person: `${decision.by ?? 'somebody'} chose it`,
    }[decision.why];
    return `“${decision.winner}” won at ${absoluteWithZone(decision.at)}: ${why}. The rest gets it.`;
  }
  if (waiting === 0) return 'Everybody is part of the test: nothing waits for a winner.';
  const late = decidesAt !== null && Date.parse(decidesAt) < Date.now();
  if (late && variants.every((v) => v.people === 0))
    return `Its time is over and no variant has reached anybody, so none is better than another: ${whole(waiting)} messages wait until somebody chooses. Why nobody was reached stands among the reasons above.`;
  const until = decidesAt ? ` The best of them wins at ${absoluteWithZone(decidesAt)} at the latest.` : '';
  return variants.every((v) => v.people === 0)
    ? `Nobody has been reached yet, so nothing can be said. ${whole(waiting)} messages wait for the winner.${until}`
    : `${whole(waiting)} messages wait for the winner.${until}`;
}

const Range = ({
  variant: { people, low, high, rate },
  end,
}: {
  variant: CampaignTestVariant;
  end: number;
}) =>
  people === 0 || rate === null ? (
    <>—</>
  ) : (
    <div className={classes.range} aria-label={`${percent(low)} to ${percent(high)}`}>
      <span className={classes.line}>
        <span style={{ left: `${(low / end) * 100}%`, right: `${100 - (high / end) * 100}%` }} />
        <i style={{ left: `${(rate / end) * 100}%` }} />
      </span>
      <span>
        {percent(low)} – {percent(high)}
      </span>
    </div>
  );
