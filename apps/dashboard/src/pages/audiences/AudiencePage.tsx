/** One audience: its rule as rows, how many it holds, who is in it, and why somebody is or is not. */
import {
  ActionIcon,
  Alert,
  Anchor,
  Button,
  Checkbox,
  Group as Row,
  SegmentedControl,
  Skeleton,
  Stack,
  Text,
  TextInput,
} from '@mantine/core';
import { useDebouncedValue, useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import type {
  Audience,
  AudienceDefinition,
  AudienceVocabulary,
  ClauseExplanation,
} from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { IconCheck, IconDownload, IconX } from '@tabler/icons-react';
import { lazy, Suspense, useState } from 'react';
import { api } from '../../api.js';
import { Confirm, messageOf } from '../../parts/Confirm.js';
import { faultAt } from '../../parts/DialogForm.js';
import { ButtonLink, TextLink } from '../../parts/links.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Failure, PagePending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { AudienceMark, sizeOf } from './Audiences.js';
import classes from './Audiences.module.css';
import { AfterFields } from './AfterFields.js';
import { PreviewPanel } from './PreviewPanel.js';
import { asGroup, type Group } from './rule.js';
import { GroupRows } from './RuleBuilder.js';

const CodeEditor = lazy(() => import('../../parts/CodeEditor.js'));
const route = getRouteApi('/app/audiences/$key');
const nothing: AudienceVocabulary = { attributes: [], events: [], topics: [], templates: [], audiences: [] };

export const AudiencePage = () => {
  const { key } = route.useParams();
  const audience = useQuery({
    queryKey: ['audiences', 'one', key],
    queryFn: () => api.audiences.get(key),
    refetchInterval: (query) =>
      query.state.data?.state === 'counting' ? 1000 : query.state.data?.live ? 5000 : false,
  });
  if (audience.isError && !audience.data)
    return <Failure error={audience.error} retry={() => void audience.refetch()} />;
  if (!audience.data) return <PagePending />;
  return <Editor key={`${key} ${audience.data.version}`} audience={audience.data} />;
};
export const NewAudiencePage = () => <Editor />;

const keyFrom = (name: string): string =>
  name
    .toLowerCase()
    .normalize('NFKD')
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 100);

const Editor = ({ audience }: { audience?: Audience }) => {
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const mayWrite = useCan('profiles:write') && !audience?.archivedAt;
  const words = useQuery({ queryKey: ['audiences', 'words'], queryFn: () => api.audiences.vocabulary() });
  const first = (audience?.definition ?? {
    where: { and: [{ attribute: '', is: '' }] },
  }) as AudienceDefinition;
  const [name, setName] = useState(audience?.name ?? '');
  const [kind, setKind] = useState<'rule' | 'list'>(audience?.kind ?? 'rule');
  const [live, setLive] = useState(audience?.live ?? false);
  const [definition, setDefinition] = useState<AudienceDefinition>(first);
  const [as, setAs] = useState<'rows' | 'json'>('rows');
  const [json, setJson] = useState('');
  const [jsonFault, setJsonFault] = useState<string>();
  const [archiving, archive] = useDisclosure(false);
  const rule = kind === 'rule';
  // What is still being typed is not asked about.
  const whole = rule && !/"(attribute|event|audience|property)":""/.test(JSON.stringify(definition));
  const [asked] = useDebouncedValue(whole ? definition : undefined, 400);
  const save = useMutation({
    mutationFn: () =>
      api.audiences.save(audience?.key ?? keyFrom(name), {
        name,
        description: audience?.description ?? '',
        ...(rule && { definition, live }),
        version: audience?.version ?? 0,
      }),
    onSuccess: async (saved) => {
      queryClient.setQueryData(['audiences', 'one', saved.key], saved);
      await queryClient.invalidateQueries({ queryKey: ['audiences', 'list'] });
      if (!audience) await navigate({ to: '/audiences/$key', params: { key: saved.key } });
    },
  });
  const show = (next: 'rows' | 'json'): void => {
    if (next === 'json') setJson(JSON.stringify(definition, null, 2));
    setAs(next);
  };
  return (
    <>
      <PageHeader
        title={audience?.name ?? 'New audience'}
        parent={{ label: 'Audiences', to: '/audiences' }}
        beside={audience && <AudienceMark audience={audience} large />}
        lead={
          audience && (
            <>
              {audience.sentence} <span className="mono">{audience.key}</span> · version {audience.version}
              {audience.usedBy.length > 0 && ` · named by ${audience.usedBy.join(', ')}`}
            </>
          )
        }
        actions={
          audience &&
          mayWrite && (
            <>
              {!rule && (
                <ButtonLink to="/imports" search={{ audience: audience.key }} variant="default">
                  Import a file
                </ButtonLink>
              )}
              <Button variant="default" onClick={archive.open}>
                Archive
              </Button>
            </>
          )
        }
      />
      <Stack gap="lg">
        {audience?.problem && (
          <Alert color="red" title="The last evaluation failed">
            {audience.problem}
          </Alert>
        )}
        <div className={rule ? classes.columns : undefined}>
          <Section
            title={rule ? 'Rule' : 'List'}
            actions={
              rule && (
                <SegmentedControl
                  size="xs"
                  aria-label="How the rule is shown"
                  value={as}
                  onChange={(value) => show(value as 'rows' | 'json')}
                  data={[
                    { value: 'rows', label: 'Rows' },
                    { value: 'json', label: 'JSON' },
                  ]}
                />
              )
            }
          >
            <form
              onSubmit={(event) => {
                event.preventDefault();
                save.mutate();
              }}
            >
              <Stack gap="md">
                <TextInput
                  label="Name"
                  value={name}
                  disabled={!mayWrite}
                  withAsterisk
                  error={faultAt(save.error, '/name')}
                  description={audience ? undefined : `Its key becomes ${keyFrom(name) || '…'}`}
                  onChange={(event) => setName(event.currentTarget.value)}
                />
                {!audience && (
                  <SegmentedControl
                    aria-label="Kind"
                    value={kind}
                    onChange={(value) => setKind(value as 'rule' | 'list')}
                    data={[
                      { value: 'rule', label: 'A rule says who' },
                      { value: 'list', label: 'A list I fill myself' },
                    ]}
                  />
                )}
                {rule && as === 'rows' && (
                  <GroupRows
                    group={asGroup(definition.where)}
                    words={words.data ?? nothing}
                    readOnly={!mayWrite}
                    onChange={(where: Group) => setDefinition({ ...definition, where })}
                  />
                )}
                {rule && as === 'json' && (
                  <div>
                    <Suspense fallback={<Skeleton h={220} />}>
                      <CodeEditor
                        value={json}
                        language="json"
                        label="Rule as JSON"
                        minHeight={220}
                        readOnly={!mayWrite}
                        onChange={(text) => {
                          setJson(text);
                          try {
                            setDefinition(JSON.parse(text) as AudienceDefinition);
                            setJsonFault(undefined);
                          } catch {
                            setJsonFault('This is not JSON yet.');
                          }
                        }}
                      />
                    </Suspense>
                    {jsonFault && (
                      <Text size="xs" c="var(--status-failed)" mt={4} role="alert">
                        {jsonFault}
                      </Text>
                    )}
                  </div>
                )}
                {rule && as === 'rows' && (
                  <AfterFields
                    definition={definition}
                    words={words.data ?? nothing}
                    readOnly={!mayWrite}
                    onChange={setDefinition}
                  />
                )}
                {rule && (
                  <Checkbox
                    label="Live: keep its members up to date, and tell who enters and leaves"
                    checked={live}
                    disabled={!mayWrite}
                    onChange={(event) => setLive(event.currentTarget.checked)}
                  />
                )}
                {!rule && (
                  <Text size="sm" c="dimmed">
                    People come onto it by a file, the API, the SDK or the command line:{' '}
                    <span className="mono">
                      carillon audience add {(audience?.key ?? keyFrom(name)) || 'key'} ada
                    </span>
                  </Text>
                )}
                {save.error && (
                  <Text role="alert" size="sm" c="var(--status-failed)">
                    {messageOf(save.error)}
                  </Text>
                )}
                {mayWrite && (
                  <Row justify="flex-end">
                    <Button
                      type="submit"
                      loading={save.isPending}
                      disabled={name.trim() === '' || (rule && (!whole || jsonFault !== undefined))}
                    >
                      {audience ? 'Save' : 'Create audience'}
                    </Button>
                  </Row>
                )}
              </Stack>
            </form>
          </Section>
          {rule && <PreviewPanel definition={asked} />}
        </div>
        {audience && <Explain audience={audience} />}
        {audience && <Members audience={audience} />}
      </Stack>
      {audience && (
        <Confirm
          opened={archiving}
          onClose={archive.close}
          title={`Archive ${audience.name}?`}
          action="Archive"
          onConfirm={async () => {
            await api.audiences.archive(audience.key);
            await queryClient.invalidateQueries({ queryKey: ['audiences'] });
            await navigate({ to: '/audiences' });
          }}
        >
          It keeps no members from then on, and its key stays taken. Saving it again brings it back.
        </Confirm>
      )}
    </>
  );
};

const Explain = ({ audience }: { audience: Audience }) => {
  const [typed, setTyped] = useState('');
  const explained = useMutation({ mutationFn: () => api.audiences.explain(audience.key, typed.trim()) });
  return (
    <Section title="Why is somebody in it, or not?">
      <Stack gap="md">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            if (typed.trim()) explained.mutate();
          }}
        >
          <Row gap="sm" align="flex-end">
            <TextInput
              label="External id"
              placeholder="ada"
              value={typed}
              onChange={(event) => setTyped(event.currentTarget.value)}
            />
            <Button type="submit" variant="default" loading={explained.isPending}>
              Explain
            </Button>
          </Row>
        </form>
        {explained.error && (
          <Text role="alert" size="sm" c="var(--status-failed)">
            {messageOf(explained.error)}
          </Text>
        )}
        {explained.data && (
          <div>
            <Text fw={500} mb={8}>
              {explained.data.sentence}
              {explained.data.since && (
                <Text span size="sm" c="dimmed">
                  {' '}
                  Since <When at={explained.data.since} />.
                </Text>
              )}
            </Text>
            {explained.data.rule && (
              <ul className={classes.clauses} style={{ paddingLeft: 0 }}>
                <ClauseLine clause={explained.data.rule} />
              </ul>
            )}
          </div>
        )}
      </Stack>
    </Section>
  );
};
const ClauseLine = ({ clause }: { clause: ClauseExplanation }) => (
  <li>
    <Row gap={6} wrap="nowrap" align="flex-start">
      {clause.holds ? (
        <IconCheck
          size={16}
          color="var(--status-delivered)"
          aria-label="holds"
          style={{ flexShrink: 0, marginTop: 2 }}
        />
      ) : (
        <IconX
          size={16}
          color="var(--status-failed)"
          aria-label="does not hold"
          style={{ flexShrink: 0, marginTop: 2 }}
        />
      )}
      <Text size="sm" className="break">
        {clause.asks}{' '}
        {clause.seen !== null && (
          <Text span size="sm" c="dimmed">
            {clause.seen}
          </Text>
        )}
      </Text>
    </Row>
    {clause.clauses.length > 0 && (
      <ul className={classes.clauses} style={{ marginTop: 6 }}>
        {clause.clauses.map((inner, at) => (
          <ClauseLine key={at} clause={inner} />
        ))}
      </ul>
    )}
  </li>
);

/** Puts people onto a list, or takes them off. */
const useChange = ({ key }: Audience) => {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (change: { add?: string[]; remove?: string[] }) => api.audiences.changeMembers(key, change),
    onSuccess: async ({ entered, left, unknown }) => {
      await client.invalidateQueries({ queryKey: ['audiences'] });
      const known = left > 0 ? 'Taken off the list.' : `${entered} added; who was on it already stays.`;
      notifications.show({
        message: unknown.length > 0 ? `${known} Nobody has the id ${unknown.join(', ')}.` : known,
      });
    },
    onError: (error) => notifications.show({ color: 'red', message: messageOf(error) }),
  });
};

const AddMembers = ({ audience }: { audience: Audience }) => {
  const [names, setNames] = useState('');
  const add = useChange(audience);
  const wanted = names.split(/[\s,;]+/).filter(Boolean);
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (wanted.length > 0) add.mutate({ add: wanted }, { onSuccess: () => setNames('') });
      }}
    >
      <Row px="md" py="sm" gap="xs" align="flex-end" wrap="nowrap">
        <TextInput
          flex={1}
          maw={380}
          label="Add people"
          placeholder="Their external ids: ada, grace"
          value={names}
          onChange={(event) => setNames(event.currentTarget.value)}
        />
        <Button type="submit" variant="default" loading={add.isPending} disabled={wanted.length === 0}>
          Add
        </Button>
      </Row>
    </form>
  );
};

const Members = ({ audience }: { audience: Audience }) => {
  const mayWrite = useCan('profiles:write');
  const mayFill = mayWrite && audience.kind === 'list' && audience.archivedAt === null;
  const take = useChange(audience);
  const members = useQuery({
    queryKey: ['audiences', 'members', audience.key, audience.version, audience.lastSeq],
    queryFn: () => api.audiences.members(audience.key, { limit: 50 }).page(),
  });
  return (
    <Section
      title={`Members${audience.size === null ? '' : ` (${sizeOf(audience)})`}`}
      pad={false}
      actions={
        <Row gap="md">
          {(['csv', 'jsonl'] as const).map((format) => (
            <Anchor
              key={format}
              size="sm"
              href={`/v1/audiences/${encodeURIComponent(audience.key)}/members.${format}`}
              download
            >
              <IconDownload size={14} aria-hidden /> {format === 'csv' ? 'CSV' : 'JSON lines'}
            </Anchor>
          ))}
        </Row>
      }
    >
      {mayFill && <AddMembers audience={audience} />}
      {members.isError && !members.data ? (
        <Failure error={members.error} retry={() => void members.refetch()} small />
      ) : !members.data ? (
        <Skeleton h={120} m="md" />
      ) : members.data.items.length === 0 ? (
        <Text c="dimmed" size="sm" p="md">
          {audience.state === 'counting' ? 'It is being evaluated.' : 'Nobody, just now.'}
        </Text>
      ) : (
        <div className="rows">
          {members.data.items.map((one) => (
            <Row key={one.id} px="md" py={9} justify="space-between" wrap="nowrap">
              <Text size="sm" className="clip">
                <TextLink
                  to="/profiles/$externalId"
                  params={{ externalId: one.externalId }}
                  size="sm"
                  fw={500}
                >
                  {one.externalId}
                </TextLink>{' '}
                <Text span size="xs" c="dimmed">
                  {one.email ?? one.phone ?? ''}
                </Text>
              </Text>
              <Row gap="xs" wrap="nowrap">
                {one.since && (
                  <Text size="xs" c="dimmed" style={{ flexShrink: 0 }}>
                    <When at={one.since} />
                  </Text>
                )}
                {mayFill && (
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    size="sm"
                    aria-label={`Take ${one.externalId} off the list`}
                    onClick={() => take.mutate({ remove: [one.externalId] })}
                  >
                    <IconX size={14} />
                  </ActionIcon>
                )}
              </Row>
            </Row>
          ))}
          {members.data.nextCursor && (
            <Text size="xs" c="dimmed" px="md" py={9}>
              The first 50; the files above have everybody.
            </Text>
          )}
        </div>
      )}
    </Section>
  );
};
