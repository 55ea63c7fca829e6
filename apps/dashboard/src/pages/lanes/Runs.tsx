/** Runs on the bulk lanes: how far each is, how fast it goes, and how the lane is shared. */
import { Progress, Text } from '@mantine/core';
import type { LaneRun, LaneState } from '@carillon/contracts';
import { IconPlayerPause, IconPlayerPlay } from '@tabler/icons-react';
import { ChannelMark, Pill } from '../../parts/Badges.js';
import { ButtonLink } from '../../parts/links.js';
import { Section } from '../../parts/PageHeader.js';
import { When } from '../../parts/Times.js';
import { sourceLabels } from '../../words.js';
import { percent, whole } from '../home/tally.js';
import classes from './Lanes.module.css';

/** Of channels with runs only; nothing where there are none. */
export const Runs = ({ lanes }: { lanes: readonly LaneState[] }) =>
  lanes.length > 0 && (
    <Section title="Runs" pad={false}>
      <div className="rows">
        {lanes.map((lane) => (
          <div key={lane.channel}>
            <div className={classes.share}>
              <ChannelMark channel={lane.channel} />
              <Text size="sm" c="dimmed">
                {shareWords(lane.share)}
              </Text>
            </div>
            <div role="list" aria-label={`Runs by ${lane.channel}`}>
              {lane.runs.map((run) => (
                <Run key={run.id} run={run} alone={lane.runs.length === 1} />
              ))}
            </div>
          </div>
        ))}
      </div>
    </Section>
  );

const shareWords = (share: number | null): string => {
  if (share === null) return 'None of them is running.';
  const turns = Math.round(1 / share);
  return turns <= 1
    ? 'No other workspace has runs here: every turn is yours.'
    : `${turns} workspaces have runs here and take turns, a page each: every ${ordinal(turns)} turn is yours.`;
};
const ordinals = new Intl.PluralRules('en', { type: 'ordinal' });
const ordinal = (n: number): string =>
  n === 2
    ? 'second'
    : n === 3
      ? 'third'
      : `${n}${{ one: 'st', two: 'nd', few: 'rd', other: 'th', many: 'th', zero: 'th' }[ordinals.select(n)]}`;

const Run = ({ run, alone }: { run: LaneRun; alone: boolean }) => {
  const done = run.members - run.pending;
  const part = percent(done, run.members);
  return (
    <div role="listitem" className={classes.run}>
      <div className={classes.runName}>
        <Text fw={550} lineClamp={2} title={run.title ?? undefined} className="break">
          {run.title ?? sourceLabels[run.source]}
        </Text>
        {run.title !== null && (
          <Text size="xs" c="dimmed" component="span">
            {sourceLabels[run.source]}
          </Text>
        )}
        {run.sourceId && <span className="mono clip">{run.sourceId}</span>}
        {run.state === 'running' ? (
          <Pill label="Running" icon={IconPlayerPlay} color="var(--status-sent)" />
        ) : (
          <Pill label="Paused" icon={IconPlayerPause} color="var(--status-pending)" />
        )}
      </div>
      <div className={classes.runProgress}>
        <div className={`${classes.runNumbers} numbers`}>
          <span>
            <b>{whole(done)}</b> of {whole(run.members)}
          </span>
          <span>{part}</span>
        </div>
        <Progress
          size={6}
          value={(done / Math.max(1, run.members)) * 100}
          color={run.state === 'running' ? undefined : 'gray'}
          aria-label={`${whole(done)} of ${whole(run.members)} worked`}
        />
        <div className={`${classes.facts} numbers`}>
          {run.state === 'paused' ? (
            <span className="break">{run.pausedReason ?? 'A person paused it.'}</span>
          ) : (
            <>
              <span>{whole(run.perMinute)} a minute</span>
              <span>
                {run.pagesInFlight} {run.pagesInFlight === 1 ? 'page' : 'pages'} in flight
              </span>
              {run.share !== null && !alone && <span>{Math.round(run.share * 100)} % of your turns</span>}
              {run.rate !== null && <span>limited to {whole(run.rate)} a second</span>}
            </>
          )}
          <span>
            since <When at={run.plannedAt} />
          </span>
        </div>
      </div>
      <ButtonLink to="/deliveries" search={{ messageId: run.messageId }} variant="default" size="xs">
        Show deliveries
      </ButtonLink>
    </div>
  );
};
