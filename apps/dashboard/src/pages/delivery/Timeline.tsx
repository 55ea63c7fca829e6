/** A delivery's life as a vertical line, oldest first, with the provider's answers where they were given. */
import { Text } from '@mantine/core';
import type { DeliveryEvent } from '@carillon/contracts';
import { IconClock } from '@tabler/icons-react';
import { JsonFacts } from '../../parts/Facts.js';
import { When } from '../../parts/Times.js';
import { gap } from '../../time.js';
import { eventLooks, reasonSentence } from '../../words.js';
import classes from './DeliveryPage.module.css';

export const Timeline = ({ events, dueAt }: { events: DeliveryEvent[]; dueAt: string | null }) => (
  <ol className={classes.timeline} aria-label="Timeline">
    {events.map((event, index) => {
      const { label, icon: EventIcon, color } = eventLooks[event.type];
      const before = events[index - 1];
      // Who it was stands in the heading of the box already.
      const { provider: named, ...detail } = event.detail;
      const told = named === event.provider ? detail : event.detail;
      const said = Object.keys(told).length > 0;
      return (
        <li key={`${event.at} ${event.type} ${index}`} className={classes.event}>
          <span className={classes.mark} style={{ '--tone': color }} aria-hidden>
            <EventIcon size={15} stroke={1.9} />
          </span>
          <div style={{ minWidth: 0 }}>
            <div className={classes.head}>
              <b>{label}</b>
              {event.attempt !== null && event.attempt > 1 && (
                <Text span size="xs" c="dimmed">
                  attempt {event.attempt}
                </Text>
              )}
              {before && <span className={classes.gap}>{gap(before.at, event.at)}</span>}
            </div>
            <div className={classes.times}>
              <When at={event.at} show="both" />
            </div>
            {event.reason && <Text size="sm">{reasonSentence(event.reason)}</Text>}
            {said && (
              <div className={classes.answer}>
                <p>{event.provider ? `What ${event.provider} said` : 'Details'}</p>
                <JsonFacts value={told} />
              </div>
            )}
          </div>
        </li>
      );
    })}
    {dueAt && (
      <li className={classes.event} data-next>
        <span className={classes.mark} style={{ '--tone': 'var(--ink-soft)' }} aria-hidden>
          <IconClock size={15} stroke={1.9} />
        </span>
        <div>
          <div className={classes.head}>
            <b>Next by itself</b>
          </div>
          <div className={classes.times}>
            <When at={dueAt} show="both" />
          </div>
        </div>
      </li>
    )}
  </ol>
);
