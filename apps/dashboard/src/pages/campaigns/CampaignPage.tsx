/** One campaign: what it is, what preparing found, and how far it is. */
import type { ReactNode } from 'react';
import { Anchor, Button, Group, Stack, Text } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import type { Campaign, CampaignNumbers, CampaignReport } from '@carillon/contracts';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { IconAlertTriangle, IconCircleX } from '@tabler/icons-react';
import { api, campaignStreamUrl } from '../../api.js';
import { ChannelMark } from '../../parts/Badges.js';
import { Confirm, messageOf } from '../../parts/Confirm.js';
import { Facts } from '../../parts/Facts.js';
import { Notice } from '../../parts/Notice.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Failure, PagePending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useStream } from '../../parts/useLive.js';
import { useCan } from '../../session.js';
import { absoluteWithZone } from '../../time.js';
import { channelLooks, reasonSentence, statusLooks } from '../../words.js';
import { whole } from '../home/tally.js';
import { approverWords, audienceWords, startWords } from './campaign.js';
import { CampaignForm } from './CampaignForm.js';
import { Changes } from './Changes.js';
import { Edits } from './Edits.js';
import { RejectDialog } from './RejectDialog.js';
import { Funnel } from './CampaignFunnel.js';
import classes from './Campaigns.module.css';
import { Bar, CampaignMark } from './Campaigns.js';
import { PreviewSection } from './PreviewSection.js';
import { TestSection } from './TestSection.js';

const route = getRouteApi('/app/campaigns/$id');

export const NewCampaignPage = () => (
  <>
    <PageHeader title="New campaign" parent={{ label: 'Campaigns', to: '/campaigns' }} />
    <CampaignForm readOnly={false} />
  </>
);

export const CampaignPage = () => {
  const { id } = route.useParams();
  const campaign = useQuery({
    queryKey: ['campaigns', 'one', id],
    queryFn: () => api.campaigns.get(id),
    // While it runs its numbers tell how it goes, and when it ends.
    refetchInterval: ({ state: { data } }) =>
      data?.state === 'scheduled' ? 1000 : data?.state === 'running' ? 5000 : false,
  });
  if (campaign.isError && !campaign.data)
    return <Failure error={campaign.error} retry={() => void campaign.refetch()} />;
  if (!campaign.data) return <PagePending />;
  return <Shown campaign={campaign.data} />;
};

type Step = 'prepare' | 'approve' | 'start' | 'pause' | 'resume' | 'cancel';
const mayNow: Record<Campaign['state'], readonly Step[]> = {
  draft: ['prepare', 'cancel'],
  prepared: ['prepare', 'approve', 'start', 'cancel'],
  scheduled: ['pause', 'cancel'],
  running: ['pause', 'cancel'],
  paused: ['resume', 'cancel'],
  completed: [],
  cancelled: [],
  failed: [],
};

const Shown = ({ campaign }: { campaign: Campaign }) => {
  const { id, state, report } = campaign;
  const mayWrite = useCan('campaigns:write');
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const [cancelling, cancel] = useDisclosure(false);
  const [rejecting, reject] = useDisclosure(false);
  const needsApproval = campaign.approvalBy !== null && !campaign.approval;
  const step = useMutation({
    mutationFn: (name: Step) => api.campaigns[name](id, { ifVersion: campaign.version }),
    onSuccess: async (changed) => {
      queryClient.setQueryData(['campaigns', 'one', id], changed);
      await queryClient.invalidateQueries({ queryKey: ['campaigns', 'numbers', id] });
    },
  });
  const clone = useMutation({
    mutationFn: (copy: { template?: boolean }) => api.campaigns.clone(id, copy),
    onSuccess: async (made) => {
      await queryClient.invalidateQueries({ queryKey: ['campaigns', 'templates'] });
      if (made.template)
        return void notifications.show({ message: 'Saved as a template: new campaigns can begin with it.' });
      notifications.show({ message: 'A draft that says the same.' });
      await navigate({ to: '/campaigns/$id', params: { id: made.id } });
    },
  });
  const may = (name: Step) =>
    mayWrite && mayNow[state].includes(name) && (!campaign.template || name === 'cancel');
  const button = (name: Step, label: string, filled = false) =>
    may(name) && (
      <Button
        variant={filled ? 'filled' : 'default'}
        loading={step.isPending && step.variables === name}
        onClick={() => (name === 'cancel' ? cancel.open() : step.mutate(name))}
      >
        {label}
      </Button>
    );
  const begun = campaign.runs.length > 0;
  const mayChange = mayWrite && ['draft', 'prepared', 'scheduled'].includes(state);
  return (
    <>
      <PageHeader
        title={campaign.name}
        parent={{ label: 'Campaigns', to: '/campaigns' }}
        beside={<CampaignMark state={state} large />}
        lead={`${audienceWords(campaign.definition)}; ${startWords(campaign.definition.start)}. Version ${campaign.version}, by ${campaign.createdBy}.`}
        actions={
          <Group gap="sm">
            {button('cancel', 'Cancel')}
            {mayWrite && (
              <Button variant="default" loading={clone.isPending} onClick={() => clone.mutate({})}>
                {campaign.template ? 'New campaign from it' : 'Clone'}
              </Button>
            )}
            {mayWrite && !campaign.template && (
              <Button
                variant="default"
                loading={clone.isPending}
                onClick={() => clone.mutate({ template: true })}
              >
                Save as template
              </Button>
            )}
            {button('prepare', state === 'prepared' ? 'Prepare again' : 'Prepare', state === 'draft')}
            {button('pause', 'Pause')}
            {button('resume', 'Resume', true)}
            {needsApproval && may('approve') && (
              <Button variant="default" onClick={reject.open}>
                Ask for changes
              </Button>
            )}
            {needsApproval ? button('approve', 'Approve', true) : button('start', 'Start', true)}
          </Group>
        }
      />
      <Stack gap="lg">
        {(step.error ?? clone.error) && (
          <Notice tone="bad" alert>
            {messageOf(step.error ?? clone.error)}
          </Notice>
        )}
        {campaign.template && (
          <Notice tone="good" title="A template">
            New campaigns can begin with it. It is never sent itself.
          </Notice>
        )}
        {campaign.reason && (
          <Notice
            tone={state === 'failed' ? 'bad' : 'warning'}
            title={state === 'failed' ? 'It failed' : 'Why'}
          >
            {campaign.reason}
          </Notice>
        )}
        {state === 'prepared' && needsApproval && (
          <Notice tone="warning" title="It needs approval">
            It has to be approved of by {approverWords(campaign.approvalBy!)} before it can be started.
          </Notice>
        )}
        {campaign.approval && (
          <Notice tone="good" title={`Approved by ${campaign.approval.by}`}>
            {campaign.approval.comment || absoluteWithZone(campaign.approval.at)}
          </Notice>
        )}
        {state === 'scheduled' && campaign.startsAt && (
          <Notice tone="good" title="Scheduled">
            It begins at {absoluteWithZone(campaign.startsAt)}.
          </Notice>
        )}
        {begun && <Numbers id={id} live={state === 'running'} />}
        {begun && campaign.definition.test && (
          <TestSection id={id} live={state === 'running'} mayChoose={mayWrite} />
        )}
        {begun && <Funnel id={id} live={state === 'running'} />}
        {report && !begun && <Report report={report} />}
        {(!begun || campaign.definition.start.kind === 'recurring') && <Changes campaign={campaign} />}
        <CampaignForm key={`${id} ${campaign.version}`} campaign={campaign} readOnly={!mayChange} />
        <Edits campaign={campaign} mayChange={mayChange} />
        {mayWrite && <PreviewSection key={`preview ${campaign.version}`} definition={campaign.definition} />}
        {campaign.runs.length > 1 && <Runs campaign={campaign} />}
      </Stack>
      <Confirm
        opened={cancelling}
        onClose={cancel.close}
        title="Cancel this campaign?"
        action="Cancel it"
        onConfirm={() => step.mutateAsync('cancel')}
      >
        Nobody else gets it. What is leaving at this moment leaves. It cannot be started again; a clone can.
      </Confirm>
      {rejecting && (
        <RejectDialog
          campaign={campaign}
          onClose={reject.close}
          onDone={(changed) => queryClient.setQueryData(['campaigns', 'one', id], changed)}
        />
      )}
    </>
  );
};

const Report = ({ report }: { report: CampaignReport }) => {
  const errors = report.findings.filter((f) => f.level === 'error').length;
  return (
    <Section title="What it would do" pad={false}>
      <div className={classes.report}>
        <Facts
          items={[
            ['People', whole(report.audience)],
            ...(report.messages === undefined
              ? []
              : ([['Messages on each channel', whole(report.messages)]] as [string, ReactNode][])),
            ...(report.heldOut === undefined
              ? []
              : ([['Held out of them', whole(report.heldOut)]] as [string, ReactNode][])),
            [
              'Zones',
              report.byZone
                .slice(0, 5)
                .map((z) => `${z.zone} ${whole(z.people)}`)
                .join(', ') || '—',
            ],
            ...(report.templates.length > 0
              ? ([['Templates', report.templates.map((t) => `${t.key} version ${t.version}`).join(', ')]] as [
                  string,
                  string,
                ][])
              : []),
            ...(report.cost
              ? ([
                  [
                    'Texts cost at most',
                    `${report.cost.amount.toLocaleString('en', { minimumFractionDigits: 2 })} ${report.cost.currency} for ${whole(report.cost.parts)} parts${
                      report.cost.unpriced > 0 ? `; ${whole(report.cost.unpriced)} numbers have no price` : ''
                    }`,
                  ],
                ] as [string, ReactNode][])
              : []),
            ['Begins', report.startsAt ? absoluteWithZone(report.startsAt) : '—'],
            ['Ends about', report.endsAt ? absoluteWithZone(report.endsAt) : '—'],
            ['Prepared', <When key="at" at={report.at} show="both" />],
          ]}
        />
      </div>
      {report.byChannel.length > 0 && (
        <table className={classes.table} aria-label="Reach">
          <thead>
            <tr>
              <th scope="col">Channel</th>
              <th scope="col">Reachable</th>
              <th scope="col">No address</th>
              <th scope="col">Suppressed</th>
              <th scope="col">Opted out</th>
            </tr>
          </thead>
          <tbody>
            {report.byChannel.map((row) => (
              <tr key={row.channel}>
                <th scope="row">
                  <ChannelMark channel={row.channel} />
                </th>
                <td>{whole(row.reachable)}</td>
                <td>{whole(row.noAddress)}</td>
                <td>{whole(row.suppressed)}</td>
                <td>{whole(row.optedOut)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {(report.samples?.length ?? 0) > 0 && (
        <div className={`${classes.scroll} ${classes.many}`}>
          <table className={`${classes.table} ${classes.samples}`} aria-label="Samples">
            <thead>
              <tr>
                <th scope="col">For</th>
                <th scope="col">Channel</th>
                <th scope="col">It says</th>
              </tr>
            </thead>
            <tbody>
              {report.samples?.map((sample) => (
                <tr key={`${sample.profile} ${sample.channel} ${sample.variant}`}>
                  <th scope="row" className="mono">
                    {sample.profile}
                  </th>
                  <td>{[channelLooks[sample.channel].label, sample.variant].filter(Boolean).join(', ')}</td>
                  <td>
                    {sample.says ?? (
                      <Text span size="sm" c="var(--status-failed)">
                        {sample.problem}
                      </Text>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {report.findings.length > 0 && (
        <div className={classes.findings} role="list" aria-label="Findings">
          {report.findings.map((finding) => (
            <div
              key={finding.code + finding.at + finding.message}
              role="listitem"
              className={classes.finding}
            >
              {finding.level === 'error' ? (
                <IconCircleX size={16} color="var(--status-failed)" aria-label="Error" />
              ) : (
                <IconAlertTriangle size={16} color="var(--status-suppressed)" aria-label="Warning" />
              )}
              <Text size="sm">
                {finding.message}{' '}
                <Text span size="xs" c="dimmed" className="mono">
                  {finding.at}
                </Text>
              </Text>
            </div>
          ))}
          {errors > 0 && (
            <Text size="sm" c="dimmed">
              It cannot be started before {errors === 1 ? 'this is' : 'these are'} mended.
            </Text>
          )}
        </div>
      )}
    </Section>
  );
};

const tallies = [
  ['sent', 'Sent', 'var(--status-delivered)'],
  ['suppressed', 'Suppressed', 'var(--status-suppressed)'],
  ['failed', 'Failed', 'var(--status-failed)'],
  ['expired', 'Expired', 'var(--status-ended)'],
  ['cancelled', 'Cancelled', 'var(--status-ended)'],
  ['unknown', 'Unknown', 'var(--status-unknown, var(--status-suppressed))'],
] as const satisfies readonly (readonly [keyof CampaignNumbers, string, string])[];

const Numbers = ({ id, live }: { id: string; live: boolean }) => {
  const queryClient = useQueryClient();
  // Reasons are told when it is over.
  const queryKey = ['campaigns', 'numbers', id, live];
  const numbers = useQuery({
    queryKey,
    queryFn: () => api.campaigns.numbers(id, { reasons: !live }),
    placeholderData: keepPreviousData,
  });
  useStream(live ? campaignStreamUrl(id) : null, {
    events: ['numbers'],
    heard: (data) => {
      const now = JSON.parse(data) as CampaignNumbers;
      // What was asked before it would be shown over it.
      void queryClient.cancelQueries({ queryKey }).then(() => queryClient.setQueryData(queryKey, now));
      if (now.state !== 'running') void queryClient.invalidateQueries({ queryKey: ['campaigns', 'one', id] });
    },
    ask: () => void numbers.refetch(),
    pollMs: 1000,
  });
  const n = numbers.data;
  if (numbers.isError && !n)
    return <Failure small error={numbers.error} retry={() => void numbers.refetch()} />;
  if (!n) return null;
  return (
    <Section
      title={n.no > 1 ? `What became of it: run ${n.no}` : 'What became of it'}
      pad={false}
      actions={
        <Anchor size="sm" href={`/v1/campaigns/${id}/numbers.csv`} download="campaign.csv">
          CSV
        </Anchor>
      }
    >
      <div className={classes.progress}>
        <Text fw={600} size="lg" className="numbers">
          {whole(n.targeted - n.pending)} of {whole(n.targeted)}
        </Text>
        <Bar
          of={n.targeted}
          parts={tallies.map(([name, label, color]) => ({ value: n[name], label, color }))}
        />
        <dl className={classes.tallies} aria-live="polite">
          <div>
            <dt>Pending</dt>
            <dd className="numbers">{whole(n.pending)}</dd>
          </div>
          {tallies.map(([name, label]) => (
            <div key={name}>
              <dt>{label}</dt>
              <dd className="numbers">{whole(n[name])}</dd>
            </div>
          ))}
          <div>
            <dt>Delivered, of the sent</dt>
            <dd className="numbers">{whole(n.delivered)}</dd>
          </div>
          {n.heldOut > 0 && (
            <div>
              <dt>People held out</dt>
              <dd className="numbers">{whole(n.heldOut)}</dd>
            </div>
          )}
        </dl>
      </div>
      {n.parts.length > 1 && (
        <table className={classes.table} aria-label="By channel and variant">
          <thead>
            <tr>
              <th scope="col">Channel</th>
              <th scope="col">Variant</th>
              <th scope="col">Targeted</th>
              <th scope="col">Pending</th>
              <th scope="col">Sent</th>
              <th scope="col">Other</th>
            </tr>
          </thead>
          <tbody>
            {n.parts.map((part) => (
              <tr key={part.runId}>
                <th scope="row">
                  <ChannelMark channel={part.channel} />
                </th>
                <td>
                  {part.variant
                    ? part.rest
                      ? `${part.variant}, the rest`
                      : part.variant
                    : part.rest
                      ? 'the rest'
                      : '—'}
                </td>
                <td>{whole(part.targeted)}</td>
                <td>{whole(part.pending)}</td>
                <td>{whole(part.sent)}</td>
                <td>{whole(part.targeted - part.pending - part.sent)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {n.reasons.length > 0 && (
        <table className={classes.table} aria-label="Reasons">
          <thead>
            <tr>
              <th scope="col">Why not</th>
              <th scope="col">Messages</th>
            </tr>
          </thead>
          <tbody>
            {n.reasons.map((row) => (
              <tr key={row.status + row.reason}>
                <th scope="row">
                  {statusLooks[row.status].label}:{' '}
                  {reasonSentence(row.reason as Parameters<typeof reasonSentence>[0])}
                </th>
                <td>{whole(row.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Section>
  );
};

const Runs = ({ campaign }: { campaign: Campaign }) => (
  <Section title="Runs" pad={false}>
    <table className={classes.table} aria-label="Runs">
      <thead>
        <tr>
          <th scope="col">Run</th>
          <th scope="col">State</th>
          <th scope="col">Began</th>
          <th scope="col">Messages</th>
        </tr>
      </thead>
      <tbody>
        {campaign.runs.map((run) => (
          <tr key={run.no}>
            <th scope="row">{run.no}</th>
            <td>{run.state}</td>
            <td>
              <When at={run.startedAt} show="both" />
            </td>
            <td>{whole(run.targeted)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </Section>
);
