/** The stacked chart of the home page. A chunk of its own: the drawing library is the largest thing we load. */
import '@mantine/charts/styles.css';
import { BarChart } from '@mantine/charts';
import { Text } from '@mantine/core';
import { channels, type Channel } from '@carillon/contracts';
import { tick, tickFull } from '../../time.js';
import { channelLooks } from '../../words.js';
import classes from './Home.module.css';
import { brief, groupNames, groups, whole, type Group, type Point } from './tally.js';

interface CountsChartProps {
  points: Point[];
  interval: 'hour' | 'day';
  by: 'status' | 'channel';
}
export default function CountsChart({ points, interval, by }: CountsChartProps) {
  const names: readonly (Group | Channel)[] = by === 'channel' ? channels : groupNames;
  const series = names
    .filter((name) => points.some((point) => point[name]))
    .map((name) => {
      const look = name in groups ? groups[name as Group] : channelLooks[name as Channel];
      return { name, label: look.label, color: look.color };
    });
  const total = points.reduce(
    (sum, point) => sum + series.reduce((s, { name }) => s + (point[name as Group] ?? 0), 0),
    0,
  );
  if (series.length === 0)
    return (
      <Text c="dimmed" ta="center" py={120}>
        Nothing was sent in this period.
      </Text>
    );
  return (
    <figure
      className={classes.chart}
      style={{ margin: 0 }}
      aria-label={`${whole(total)} deliveries over time, ${series.map((s) => s.label).join(', ')}`}
    >
      <BarChart
        h={280}
        data={points}
        dataKey="at"
        type="stacked"
        series={series}
        gridColor="var(--line)"
        textColor="var(--ink-soft)"
        strokeDasharray="0"
        tickLine="none"
        maxBarWidth={34}
        valueFormatter={brief}
        xAxisProps={{ tickFormatter: (at: number) => tick(at, interval), minTickGap: 28 }}
        yAxisProps={{ width: 44, allowDecimals: false }}
        barProps={{ isAnimationActive: false }}
        tooltipProps={{
          isAnimationActive: false,
          cursor: { fill: 'var(--surface-hover)' },
          content: ({ label, payload }) => {
            if (typeof label !== 'number') return null;
            const lines = (payload ?? []).filter((line) => Number(line.value) > 0);
            return (
              <div className={classes.tip}>
                <Text size="xs" fw={600}>
                  {tickFull(label, interval)}
                </Text>
                {lines.length === 0 && <div>nothing sent</div>}
                {[...lines].reverse().map((line) => (
                  <div key={String(line.name)}>
                    <span className={classes.swatch} style={{ background: line.color }} />
                    {series.find((item) => item.name === line.name)?.label}
                    <b>{whole(Number(line.value))}</b>
                  </div>
                ))}
              </div>
            );
          },
        }}
      />
      <figcaption className={classes.legend}>
        {series.map(({ name, label, color }) => (
          <span key={name}>
            <span className={classes.swatch} style={{ background: color }} aria-hidden />
            {label}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}
