/** A month of campaigns: what went out, and what is to. Times are those of this browser. */
import type { CampaignOccurrence } from '@carillon/contracts';
import { ActionIcon, Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { IconChevronLeft, IconChevronRight } from '@tabler/icons-react';
import { api } from '../../api.js';
import { Failure, RowsPending } from '../../parts/PageStates.js';
import { daysOf, monthOf, timeOf } from './campaign.js';
import classes from './Campaigns.module.css';

const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
/** Further ones are counted, so that a day keeps its height. */
const SHOWN = 3;

export const Calendar = ({ month, go }: { month: string; go: (month: string) => void }) => {
  const dates = daysOf(month);
  const from = dates[0]!;
  const to = new Date(from.getFullYear(), from.getMonth(), from.getDate() + dates.length);
  const page = useQuery({
    queryKey: ['campaigns', 'calendar', month],
    queryFn: () => api.campaigns.calendar({ from: from.toISOString(), to: to.toISOString() }),
  });
  if (page.isError && !page.data) return <Failure error={page.error} retry={() => void page.refetch()} />;
  if (!page.data) return <RowsPending />;
  const marks = page.data.items
    .map((mark) => ({ mark, at: timeOf(mark) }))
    .sort((a, b) => a.at.getTime() - b.at.getTime());
  const days = dates.map((day) => ({
    day,
    marks: marks.filter(({ at }) => at.toDateString() === day.toDateString()),
  }));
  const middle = days[15]!.day;
  const other = (by: number) => go(monthOf(new Date(middle.getFullYear(), middle.getMonth() + by, 1)));
  const inMonth = days.filter(({ day }) => monthOf(day) === month);
  const today = new Date().toDateString();
  return (
    <div className="card" style={{ overflow: 'hidden' }}>
      <Group justify="space-between" px="md" py="sm">
        <Text fw={600}>{middle.toLocaleDateString('en', { month: 'long', year: 'numeric' })}</Text>
        <Group gap={4}>
          <ActionIcon variant="subtle" color="gray" aria-label="The month before" onClick={() => other(-1)}>
            <IconChevronLeft size={18} />
          </ActionIcon>
          <ActionIcon variant="subtle" color="gray" aria-label="The month after" onClick={() => other(1)}>
            <IconChevronRight size={18} />
          </ActionIcon>
        </Group>
      </Group>
      <div className={classes.calendar} role="list" aria-label="Days">
        {WEEKDAYS.map((name) => (
          <div key={name} className={classes.weekday} aria-hidden>
            {name}
          </div>
        ))}
        {days.map(({ day, marks }) => (
          <div
            key={day.toISOString()}
            role="listitem"
            className={classes.day}
            data-outside={monthOf(day) !== month || undefined}
            data-today={day.toDateString() === today || undefined}
            data-empty={marks.length === 0 || undefined}
          >
            <span className={classes.number}>
              {day.toLocaleDateString('en', { day: 'numeric' })}
              <span className={classes.full}>
                {day.toLocaleDateString('en', { weekday: 'short', month: 'short' })}
              </span>
            </span>
            {marks.slice(0, SHOWN).map(({ mark, at }) => (
              <MarkLink key={`${mark.campaignId} ${mark.no ?? at.getTime()}`} mark={mark} />
            ))}
            {marks.length > SHOWN && (
              <Text size="xs" c="dimmed">
                and {marks.length - SHOWN} more
              </Text>
            )}
          </div>
        ))}
      </div>
      {inMonth.every(({ marks }) => marks.length === 0) && (
        <Text size="sm" c="dimmed" px="md" py="sm">
          Nothing goes out this month, as far as it is planned.
        </Text>
      )}
    </div>
  );
};

const MarkLink = ({ mark }: { mark: CampaignOccurrence }) => (
  <Link
    to="/campaigns/$id"
    params={{ id: mark.campaignId }}
    className={classes.mark}
    data-state={mark.no === null ? 'planned' : mark.runState === 'running' ? 'running' : 'was'}
    title={`${mark.name}, ${mark.no === null ? mark.state : `run ${mark.no}`}${mark.local ? ', at each person’s own time' : ''}`}
  >
    <span>{timeOf(mark).toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })}</span>{' '}
    {mark.name}
  </Link>
);
