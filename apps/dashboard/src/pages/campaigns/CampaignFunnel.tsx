/** How far a campaign got with its people, and which links they followed. Machines stand apart. */
import { Anchor, Group, Select, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import type { CampaignFunnel, CampaignLift, FunnelRow } from '@carillon/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.js';
import { Section } from '../../parts/PageHeader.js';
import { Failure, RowsPending } from '../../parts/PageStates.js';
import { whole } from '../home/tally.js';
import classes from './CampaignFunnel.module.css';
import table from './Campaigns.module.css';

const share = (n: number, of: number) =>
  of === 0 ? '—' : `${(Math.round((n / of) * 1000) / 10).toLocaleString('en')} %`;

const steps = [
  ['sent', 'Sent'],
  ['delivered', 'Delivered'],
  ['opened', 'Opened'],
  ['clicked', 'Clicked'],
  ['converted', 'Converted'],
] as const satisfies readonly (readonly [keyof FunnelRow, string])[];

type By = NonNullable<CampaignFunnel['by']>;
const kinds: { value: By; label: string }[] = [
  { value: 'variant', label: 'Variant' },
  { value: 'channel', label: 'Channel' },
  { value: 'domain', label: 'Mail domain' },
  { value: 'zone', label: 'Time zone' },
];
const nobody: Record<By, string> = {
  variant: 'No variant',
  channel: '—',
  domain: 'No address kept',
  zone: 'Zone not known',
};

export const Funnel = ({ id, live }: { id: string; live: boolean }) => {
  const [by, setBy] = useState<By>('variant');
  const [event, setEvent] = useState('');
  const [wanted] = useDebouncedValue(event.trim(), 400);
  const funnel = useQuery({
    queryKey: ['campaigns', 'funnel', id, by, wanted],
    queryFn: () => api.campaigns.funnel(id, { by, ...(wanted ? { event: wanted } : {}) }),
    refetchInterval: live ? 5000 : false,
    placeholderData: keepPreviousData,
  });
  const f = funnel.data;
  return (
    <Section
      title="How far it got"
      pad={false}
      actions={
        <Group gap="sm">
          {(['by', 'links'] as const).map((what) => (
            <Anchor
              key={what}
              size="sm"
              href={`/v1/campaigns/${id}/funnel.csv?${new URLSearchParams({ by: what === 'links' ? 'link' : by, ...(wanted ? { event: wanted } : {}) })}`}
              download="campaign-funnel.csv"
            >
              {what === 'links' ? 'Links as CSV' : 'Groups as CSV'}
            </Anchor>
          ))}
        </Group>
      }
    >
      {funnel.isError && !f ? (
        <Failure small error={funnel.error} retry={() => void funnel.refetch()} />
      ) : !f ? (
        <RowsPending rows={5} />
      ) : (
        <>
          <div className={classes.head}>
            <TextInput
              size="xs"
              label="Counts as conversion"
              placeholder={f.event ?? 'order.placed'}
              description={`An event within ${f.within} after it was sent.`}
              value={event}
              onChange={(e) => setEvent(e.currentTarget.value)}
            />
            <Select
              size="xs"
              label="Told apart by"
              description="In the table below."
              data={kinds}
              value={by}
              allowDeselect={false}
              onChange={(value) => value && setBy(value)}
            />
          </div>
          <Bars row={f.total} converts={f.event !== null} />
          {f.lift && <Lift lift={f.lift} event={f.event ?? ''} within={f.within} />}
          <Groups funnel={f} by={f.by ?? by} />
          {f.links.length > 0 && <Links links={f.links} sent={f.total.sent} />}
        </>
      )}
    </Section>
  );
};

const Bars = ({ row, converts }: { row: FunnelRow; converts: boolean }) => (
  <div className={classes.bars}>
    <dl>
      {steps
        .filter(([name]) => name !== 'converted' || converts)
        .map(([name, label]) => (
          <div key={name} className={classes.step}>
            <dt>{label}</dt>
            <dd>
              <span className={classes.track} aria-hidden>
                <span
                  className={classes.bar}
                  style={{ width: `${row.sent === 0 ? 0 : Math.min(100, (row[name] / row.sent) * 100)}%` }}
                />
              </span>
              <span className="numbers">
                {whole(row[name])} <small>{share(row[name], row.sent)}</small>
              </span>
            </dd>
          </div>
        ))}
    </dl>
    <Text size="xs" c="dimmed">
      Each message once, of those sent. In all: {whole(row.opens)} opens, {whole(row.clicks)} clicks.{' '}
      {row.openedByProxy > 0 &&
        `Of the opened, ${whole(row.openedByProxy)} are told by a mailbox that hides its people. `}
      {row.openedByMachine + row.clickedByMachine > 0 &&
        `Not among them: ${whole(row.openedByMachine)} opened and ${whole(row.clickedByMachine)} clicked by machines alone. `}
      {row.unsubscribed + row.complained > 0 &&
        `${whole(row.unsubscribed)} unsubscribed, ${whole(row.complained)} complained.`}
    </Text>
  </div>
);

const points = (share: number) => `${share > 0 ? '+' : ''}${(share * 100).toFixed(2)}`;
const times = (share: number) => `${share > 0 ? '+' : ''}${Math.round(share * 100).toLocaleString('en')} %`;

/** What it brought about beside those who were held out. */
const Lift = ({ lift, event, within }: { lift: CampaignLift; event: string; within: string }) => (
  <div className={classes.wide}>
    <table className={table.table} aria-label="Beside those held out">
      <thead>
        <tr>
          <th scope="col">Beside those held out</th>
          <th scope="col">People</th>
          <th scope="col">Did {event}</th>
          <th scope="col">Rate</th>
          <th scope="col">It lies with 95 % between</th>
        </tr>
      </thead>
      <tbody>
        {(
          [
            ['Were to get it', lift.told],
            ['Held out', lift.heldOut],
          ] as const
        ).map(([name, group]) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{whole(group.people)}</td>
            <td>{whole(group.converted)}</td>
            <td>{(group.rate * 100).toFixed(2)} %</td>
            <td>
              {(group.low * 100).toFixed(2)} – {(group.high * 100).toFixed(2)} %
            </td>
          </tr>
        ))}
      </tbody>
    </table>
    <Text size="sm" className={classes.lift}>
      <b>{points(lift.difference.value)} points</b> (with 95 % between {points(lift.difference.low)} and{' '}
      {points(lift.difference.high)}), about {whole(Math.abs(lift.extra))} people{' '}
      {lift.extra < 0 ? 'fewer' : 'more'}.{' '}
      {lift.lift &&
        `That is ${times(lift.lift.value)} (${times(lift.lift.low)} to ${times(lift.lift.high)}). `}
      It brought about something with a probability of {(lift.better * 100).toFixed(1)} %.{' '}
      <Text span size="xs" c="dimmed">
        Whether it reached them or not, within {within} since it began.
      </Text>
    </Text>
  </div>
);

const Groups = ({ funnel, by }: { funnel: CampaignFunnel; by: By }) => (
  <div className={classes.wide}>
    <table className={table.table} aria-label="By group">
      <thead>
        <tr>
          <th scope="col">{kinds.find((k) => k.value === by)?.label}</th>
          {steps
            .filter(([name]) => name !== 'converted' || funnel.event !== null)
            .map(([name, label]) => (
              <th key={name} scope="col">
                {label}
              </th>
            ))}
          <th scope="col">By machines</th>
        </tr>
      </thead>
      <tbody>
        {funnel.groups.map((row) => (
          <tr key={row.name}>
            <th scope="row">{row.name || nobody[by]}</th>
            {steps
              .filter(([name]) => name !== 'converted' || funnel.event !== null)
              .map(([name]) => (
                <td key={name}>
                  {whole(row[name])}
                  {name !== 'sent' && <small> {share(row[name], row.sent)}</small>}
                </td>
              ))}
            <td>{whole(row.openedByMachine + row.clickedByMachine)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);

const Links = ({ links, sent }: { links: CampaignFunnel['links']; sent: number }) => (
  <div className={classes.wide}>
    <table className={table.table} aria-label="Links">
      <thead>
        <tr>
          <th scope="col">Link</th>
          <th scope="col">Clicked</th>
          <th scope="col">Clicks</th>
          <th scope="col">By machines</th>
        </tr>
      </thead>
      <tbody>
        {links.map((link) => (
          <tr key={link.id}>
            <th scope="row" className={classes.link}>
              {link.label || 'Without text'}
              <small className="mono">{link.href}</small>
            </th>
            <td>
              {whole(link.clicked)}
              <small> {share(link.clicked, sent)}</small>
            </td>
            <td>{whole(link.clicks)}</td>
            <td>{whole(link.clickedByMachine)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);
