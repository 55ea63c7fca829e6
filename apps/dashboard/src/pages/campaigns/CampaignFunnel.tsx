/** How far a campaign got with its people, and which links they followed. Machines stand apart. */
import { Select, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import type { CampaignFunnel, FunnelRow } from '@carillon/contracts';
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
    <Section title="How far it got" pad={false}>
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
              placeholder="order.placed"
              description="An event within 7 days after it was sent."
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
