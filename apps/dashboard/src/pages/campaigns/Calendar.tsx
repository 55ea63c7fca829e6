/** A month of campaigns: what went out, and what is to. Times are those of this browser. */
import { ActionIcon, Group, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { IconChevronLeft, IconChevronRight } from '@tabler/icons-react';
import { api } from '../../api.js';
import { Failure, RowsPending } from '../../parts/PageStates.js';
import { monthOf, weeksOf, type Mark } from './campaign.js';
import classes from './Campaigns.module.css';

const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
/** Further ones are counted, so that a day keeps its height. */
const SHOWN = 3;

export const Calendar = ({ month, go }: { month: string; go: (month: string) => void }) => {
  const page = useQuery({
    queryKey: ['campaigns', 'list', 'calendar'],
    queryFn: () => api.campaigns.list({ limit: 200 }).page(),
  });
  if (page.isError && !page.data) return <Failure error={page.error} retry={() => void page.refetch()} />;
  if (!page.data) return <RowsPending />;
  const days = weeksOf(month, page.data.items);
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
            {marks.slice(0, SHOWN).map((mark) => (
              <MarkLink key={`${mark.campaign.id} ${mark.run}`} mark={mark} />
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

const MarkLink = ({ mark: { campaign, at, run } }: { mark: Mark }) => (
  <Link
    to="/campaigns/$id"
    params={{ id: campaign.id }}
    className={classes.mark}
    data-state={run === null ? 'planned' : campaign.state === 'running' ? 'running' : 'was'}
    title={`${campaign.name}, ${run === null ? campaign.state : `run ${run}`}`}
  >
    <span>{at.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })}</span> {campaign.name}
  </Link>
);
