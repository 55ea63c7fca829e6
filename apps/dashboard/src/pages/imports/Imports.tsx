/** Imports: a file is dropped, looked at before anything is stored, sent, and watched; and those of before. */
import { Anchor, Button, Group, Progress, SegmentedControl, Select, Stack, Table, Text } from '@mantine/core';
import type { Audience, Import, ImportMapping, ImportPreview } from '@carillon/contracts';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { IconFileUpload, IconUpload } from '@tabler/icons-react';
import { useRef, useState, type DragEvent } from 'react';
import { api } from '../../api.js';
import { Notice } from '../../parts/Notice.js';
import { TextLink } from '../../parts/links.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Empty, Failure, RowsPending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { whole } from '../home/tally.js';
import classes from './Imports.module.css';
import { becomes, targetOf, targetsFor } from './mapping.js';

const HEAD_BYTES = 131_072;
const LIVE_MS = 1_000;
/** Somebody else may begin one. */
const IDLE_MS = 10_000;
type Kind = Import['kind'];
/** What a file is for. */
interface Purpose {
  kind: Kind;
  /** Key of the list that everybody of it enters. */
  audience: string | undefined;
}
const route = getRouteApi('/app/imports');

const isLive = (one: Import): boolean => one.state === 'queued' || one.state === 'running';

export const Imports = () => {
  const mayWrite = useCan('profiles:write');
  const { kind, audience } = route.useSearch();
  const navigate = route.useNavigate();
  const [file, setFile] = useState<File>();
  // It stands in the address, so that other pages can lead here for what they want.
  const purpose: Purpose = { kind: kind ?? 'profiles', audience: kind ? undefined : audience };
  const setPurpose = (next: Purpose) =>
    void navigate({
      search: {
        kind: next.kind === 'suppressions' ? next.kind : undefined,
        audience: next.kind === 'profiles' ? next.audience : undefined,
      },
      replace: true,
    });
  const imports = useQuery({
    queryKey: ['imports'],
    queryFn: async () => (await api.imports.list({ limit: 50 }).page()).items,
    refetchInterval: ({ state }) => (state.data?.some(isLive) ? LIVE_MS : IDLE_MS),
  });
  return (
    <>
      <PageHeader
        title="Imports"
        lead="Files of people, or of addresses that are not written to. Importing the same file again changes nothing."
      />
      <Stack gap="lg">
        {mayWrite && (
          <div className="card">
            <PurposeFields purpose={purpose} onChange={setPurpose} />
            {file ? (
              <Chosen key={purpose.kind} file={file} purpose={purpose} done={() => setFile(undefined)} />
            ) : (
              <DropZone onFile={setFile} />
            )}
          </div>
        )}
        <Section title="History" pad={false}>
          {imports.isError && !imports.data ? (
            <Failure error={imports.error} retry={() => void imports.refetch()} />
          ) : !imports.data ? (
            <RowsPending rows={3} />
          ) : imports.data.length === 0 ? (
            <Empty icon={IconFileUpload} title="No imports yet">
              Drop a CSV or JSON lines file above, or run{' '}
              <span className="mono">carillon import people.csv</span>.
            </Empty>
          ) : (
            <div className="rows" role="list" aria-label="Imports">
              {imports.data.map((one) => (
                <Row key={one.id} one={one} mayWrite={mayWrite} />
              ))}
            </div>
          )}
        </Section>
      </Stack>
    </>
  );
};

const kinds = {
  profiles: { label: 'People', says: 'Each row makes a profile, or changes the one with its id.' },
  suppressions: {
    label: 'Addresses not to write to',
    says: 'Each row puts an email address, a phone number or a whole @domain onto the suppression list.',
  },
} as const satisfies Record<Kind, { label: string; says: string }>;

const PurposeFields = ({
  purpose: { kind, audience },
  onChange,
}: {
  purpose: Purpose;
  onChange: (purpose: Purpose) => void;
}) => {
  const lists = useQuery({
    queryKey: ['audiences', 'lists'],
    queryFn: async () => {
      const found: Audience[] = [];
      for await (const one of api.audiences.list({ limit: 100 })) if (one.kind === 'list') found.push(one);
      return found;
    },
    enabled: kind === 'profiles',
  });
  const choices = lists.data?.map(({ key, name }) => ({ value: key, label: name })) ?? [];
  const named = audience === undefined || choices.some(({ value }) => value === audience);
  return (
    <Group px="md" pt="md" gap="md" align="flex-start">
      <div className={classes.purpose}>
        <SegmentedControl
          aria-label="What the file holds"
          size="sm"
          value={kind}
          onChange={(value) => onChange({ kind: value as Kind, audience })}
          data={(['profiles', 'suppressions'] as const).map((value) => ({
            value,
            label: kinds[value].label,
          }))}
        />
        <Text size="sm" c="dimmed" mt={6}>
          {kinds[kind].says}
        </Text>
      </div>
      {kind === 'profiles' && (choices.length > 0 || audience !== undefined) && (
        <Select
          className={classes.list}
          label="Add everybody in the file to a list"
          placeholder="None"
          data={named ? choices : [...choices, { value: audience, label: audience }]}
          value={audience ?? null}
          onChange={(value) => onChange({ kind, audience: value ?? undefined })}
          clearable
          searchable
        />
      )}
    </Group>
  );
};

const DropZone = ({ onFile }: { onFile: (file: File) => void }) => {
  const input = useRef<HTMLInputElement>(null);
  const [over, setOver] = useState(false);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    const [file] = event.dataTransfer.files;
    if (file) onFile(file);
  };
  return (
    <div
      className={classes.drop}
      data-over={over || undefined}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <IconUpload size={24} stroke={1.5} aria-hidden />
      <Text fw={550}>Drop a file here</Text>
      <Text size="sm" c="dimmed">
        CSV or JSON lines, plain or gzip. You see how it is read before anything is stored.
      </Text>
      <Button variant="default" onClick={() => input.current?.click()}>
        Choose a file
      </Button>
      <input
        ref={input}
        type="file"
        hidden
        aria-label="File to import"
        accept=".csv,.tsv,.txt,.jsonl,.ndjson,.gz"
        onChange={({ currentTarget }) => {
          const [file] = currentTarget.files ?? [];
          if (file) onFile(file);
        }}
      />
    </div>
  );
};

/** The beginning of a file, as the API takes it. */
async function headOf(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 8_192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8_192));
  return btoa(text);
}

const Chosen = ({
  file,
  purpose: { kind, audience },
  done,
}: {
  file: File;
  purpose: Purpose;
  done: () => void;
}) => {
  const client = useQueryClient();
  const [mapping, setMapping] = useState<ImportMapping>();
  const [sent, setSent] = useState(0);
  const preview = useQuery({
    queryKey: ['imports', 'preview', file.name, file.size, file.lastModified, kind, mapping],
    queryFn: async () =>
      api.imports.preview({
        kind,
        head: await headOf(file),
        complete: file.size <= HEAD_BYTES,
        ...(mapping && { mapping }),
      }),
    placeholderData: (before) => before,
    retry: false,
  });
  const upload = useMutation({
    mutationFn: () =>
      api.imports.upload(
        file,
        { kind, name: file.name, ...(mapping && { mapping }), ...(audience !== undefined && { audience }) },
        { onProgress: setSent },
      ),
    onSuccess: async () => {
      await client.invalidateQueries({ queryKey: ['imports'] });
      done();
    },
  });
  const seen = preview.data;
  return (
    <Stack p="md" gap="md">
      <div>
        <Text fw={550} className="clip">
          {file.name}
        </Text>
        <Text size="sm" c="dimmed">
          {whole(Math.ceil(file.size / 1000))} kB
          {seen && ` · ${seen.format === 'csv' ? 'CSV' : 'JSON lines'}, ${seen.encoding}`}
        </Text>
      </div>
      {preview.isError ? (
        <Failure error={preview.error} retry={() => void preview.refetch()} />
      ) : !seen ? (
        <RowsPending rows={4} />
      ) : (
        <>
          {seen.problem && (
            <Notice tone="warning" title="It cannot be imported like this">
              {seen.problem}
            </Notice>
          )}
          {seen.headings.length > 0 && <Columns seen={seen} kind={kind} onChange={setMapping} />}
          <Sample seen={seen} />
        </>
      )}
      {upload.isPending && (
        <Progress
          value={file.size === 0 ? 100 : (100 * sent) / file.size}
          aria-label="Sent so far"
          animated
        />
      )}
      {upload.isError && <Failure error={upload.error} retry={() => upload.mutate()} />}
      <Group>
        <Button
          onClick={() => upload.mutate()}
          loading={upload.isPending}
          disabled={!seen || seen.problem !== null}
        >
          Import
        </Button>
        <Button variant="default" onClick={done} disabled={upload.isPending}>
          Choose another file
        </Button>
      </Group>
    </Stack>
  );
};

const Columns = ({
  seen,
  kind,
  onChange,
}: {
  seen: ImportPreview;
  kind: Kind;
  onChange: (mapping: ImportMapping) => void;
}) => (
  <Table.ScrollContainer type="native" minWidth={320}>
    <Table aria-label="What the columns become">
      <Table.Thead>
        <Table.Tr>
          <Table.Th>Column</Table.Th>
          <Table.Th>Becomes</Table.Th>
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {seen.headings.map((heading) => (
          <Table.Tr key={heading}>
            <Table.Td>{heading}</Table.Td>
            <Table.Td>
              <Select
                size="xs"
                aria-label={`${heading} becomes`}
                data={targetsFor(kind, heading)}
                value={targetOf(seen.mapping, heading)}
                onChange={(target) => onChange(becomes(seen.mapping, heading, target ?? ''))}
                allowDeselect={false}
              />
            </Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  </Table.ScrollContainer>
);

const Sample = ({ seen }: { seen: ImportPreview }) => (
  <Stack gap="xs">
    {seen.rows.length > 0 && (
      <>
        <Text size="sm" fw={550}>
          The first rows, as they would be stored
        </Text>
        <div className={classes.sample}>
          {seen.rows.map(({ line, row }) => (
            <div key={line}>
              <span className={classes.line}>{line}</span> {JSON.stringify(row)}
            </div>
          ))}
        </div>
      </>
    )}
    {seen.bad.length > 0 && (
      <Notice tone="warning" title={`${seen.bad.length} of the first rows are bad`}>
        {seen.bad.slice(0, 5).map(({ line, reason }) => (
          <div key={line}>
            Line {line}: {reason}
          </div>
        ))}
        The others are imported all the same.
      </Notice>
    )}
  </Stack>
);

const words: Record<Import['state'], string> = {
  uploading: 'Not sent to the end',
  queued: 'Waiting',
  running: 'Running',
  done: 'Done',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

const Row = ({ one, mayWrite }: { one: Import; mayWrite: boolean }) => {
  const client = useQueryClient();
  const cancel = useMutation({
    mutationFn: () => api.imports.cancel(one.id),
    onSettled: () => client.invalidateQueries({ queryKey: ['imports'] }),
  });
  const part = one.bytes.received === 0 ? 0 : (100 * one.bytes.read) / one.bytes.received;
  const counts = [
    [one.created, 'created'],
    [one.updated, 'changed'],
    [one.unchanged, 'known'],
    [one.failed, 'bad'],
  ] as const;
  return (
    <div role="listitem" className={classes.row}>
      <Group justify="space-between" wrap="nowrap">
        <Text fw={550} className="clip">
          {one.name}
        </Text>
        <Text size="sm" c={one.state === 'failed' ? 'red' : 'dimmed'} style={{ flex: 'none' }}>
          {words[one.state]}
        </Text>
      </Group>
      {isLive(one) && <Progress value={part} aria-label={`${one.name}: how far it is`} animated />}
      {one.problem && (
        <Text size="sm" c="red">
          {one.problem}
        </Text>
      )}
      <Group justify="space-between" gap="xs">
        <Text size="sm" c="dimmed">
          {one.kind === 'profiles' ? 'People' : 'Suppressions'} · {whole(one.rows)} rows
          {one.rows > 0 &&
            ` (${counts.flatMap(([n, what]) => (n > 0 ? [`${whole(n)} ${what}`] : [])).join(', ')})`}
          {one.audience !== null && (
            <>
              {' · '}
              {whole(one.joined)} entered{' '}
              <TextLink to="/audiences/$key" params={{ key: one.audience }} size="sm">
                {one.audience}
              </TextLink>
            </>
          )}
          {one.state === 'running' && one.rate !== null && ` · ${whole(one.rate)}/s`}
          {one.etaSeconds !== null && ` · ${one.etaSeconds} s left`} · <When at={one.createdAt} />
        </Text>
        <Group gap="sm">
          {one.failed > 0 && (
            <Anchor size="sm" href={`/v1/imports/${one.id}/errors.csv`} download={`${one.name}.bad.csv`}>
              Bad rows as CSV
            </Anchor>
          )}
          {mayWrite && (isLive(one) || one.state === 'uploading') && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={() => cancel.mutate()}
              loading={cancel.isPending}
            >
              Cancel
            </Button>
          )}
        </Group>
      </Group>
    </div>
  );
};
