/** A delivery's life as a vertical line, oldest first, with the provider's answers where they were given. */
import { Text } from '@mantine/core';
import type { DeliveryEvent } from '@carillon/contracts';
import { IconClock } from '@tabler/icons-react';
import { JsonFacts } from '../../parts/Facts.js';
import { Line, LineBox, Lines, Small } from '../../parts/Lines.js';
import { When } from '../../parts/Times.js';
import { gap } from '../../time.js';
import { eventLooks, reasonSentence } from '../../words.js';

export const Timeline = ({ events, dueAt }: { events: DeliveryEvent[]; dueAt: string | null }) => (
  <Lines label="Timeline">
    {events.map((event, index) => {
      const { label, icon, color } = eventLooks[event.type];
      const before = events[index - 1];
      // Who it was stands in the heading of the box already.
      const { provider: named, ...detail } = event.detail;
      const told = named === event.provider ? detail : event.detail;
      return (
        <Line
          key={`${event.at} ${event.type} ${index}`}
          icon={icon}
          color={color}
          title={
            <>
              <b>{label}</b>
              {event.attempt !== null && event.attempt > 1 && (
                <Text span size="xs" c="dimmed" ml={10}>
                  attempt {event.attempt}
                </Text>
              )}
            </>
          }
          aside={before && gap(before.at, event.at)}
        >
          <Small>
            <When at={event.at} show="both" />
          </Small>
          {event.reason && <Text size="sm">{reasonSentence(event.reason)}</Text>}
          {Object.keys(told).length > 0 && (
            <LineBox label={event.provider ? `What ${event.provider} said` : 'Details'}>
              <JsonFacts value={told} />
            </LineBox>
          )}
        </Line>
      );
    })}
    {dueAt && (
      <Line next icon={IconClock} color="var(--ink-soft)" title={<b>Next by itself</b>}>
        <Small>
          <When at={dueAt} show="both" />
        </Small>
      </Line>
    )}
  </Lines>
);
