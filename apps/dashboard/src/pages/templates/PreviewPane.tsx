/** The preview beside the editor: for whom, with which data, and what comes out, a moment after the last key. */
import { Autocomplete, Group, Input, Loader, Skeleton, Stack, Text, Title } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import type { Channel, ContentByChannel, Preview } from '@carillon/contracts';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { IconEye } from '@tabler/icons-react';
import { lazy, Suspense, useEffect, useRef, useState } from 'react';
import { api, ApiProblem } from '../../api.js';
import { Content } from '../../parts/Content.js';
import { Notice } from '../../parts/Notice.js';
import { Empty, Failure } from '../../parts/PageStates.js';
import { useCan } from '../../session.js';
import { readJson, sortErrors, type PreviewErrors } from './draft.js';
import classes from './Templates.module.css';

const CodeEditor = lazy(() => import('../../parts/CodeEditor.js'));

interface PreviewPaneProps {
  templateKey: string;
  channel: Channel;
  /** Undefined while the content is not yet complete enough to be rendered. */
  content: ContentByChannel | undefined;
  locale: string | undefined;
  data: string;
  onData: (data: string) => void;
  onErrors: (errors: PreviewErrors) => void;
}
const noErrors: PreviewErrors = [];

export const PreviewPane = ({
  templateKey,
  channel,
  content,
  locale,
  data,
  onData,
  onErrors,
}: PreviewPaneProps) => {
  const [profile, setProfile] = useState<string>();
  const parsed = data.trim() ? readJson(data) : { value: {} };
  const isData = typeof parsed.value === 'object' && parsed.value !== null && !Array.isArray(parsed.value);
  const request = JSON.stringify({
    channel,
    content,
    locale,
    profile,
    data: isData ? parsed.value : undefined,
  });
  const [settled] = useDebouncedValue(request, 350);
  const preview = useQuery<Preview>({
    queryKey: ['preview', templateKey, settled],
    queryFn: async ({ signal }) => {
      try {
        return await api.templates.preview(templateKey, JSON.parse(settled) as { channel: Channel }, {
          signal,
        });
      } catch (error) {
        // Content that the contract refuses is an answer about the content, like any other error in it.
        if (error instanceof ApiProblem && error.errors.length > 0)
          return { rendered: null, errors: [...error.errors], warnings: [] };
        throw error;
      }
    },
    // What has settled may still be from before the content was complete.
    enabled: content !== undefined && isData && settled.includes('"content":'),
    placeholderData: keepPreviousData,
    staleTime: 30_000,
    retry: false,
  });
  const errors = content && preview.data ? preview.data.errors : noErrors;
  const told = JSON.stringify(errors);
  useEffect(() => onErrors(JSON.parse(told) as PreviewErrors), [told, onErrors]);
  const rendered = preview.data?.rendered?.channel === channel ? preview.data.rendered : null;
  const { other } = sortErrors(channel, errors);
  const waiting = preview.isFetching || settled !== request;

  return (
    <section className={`card ${classes.preview}`} aria-label="Preview">
      <div className={classes.previewHead}>
        <Title order={2} size="h3">
          Preview
        </Title>
        {waiting && content && <Loader size={14} color="gray" aria-label="Rendering" />}
      </div>
      <div aria-live="polite" className={classes.notices}>
        {other.length > 0 && (
          <Notice tone="bad" title="It cannot be rendered">
            {other.map((message) => (
              <div key={message}>{message}</div>
            ))}
          </Notice>
        )}
        {other.length === 0 && errors.length > 0 && (
          <Notice tone="bad" title="It cannot be rendered">
            {errors.length === 1 ? 'A field has an error' : `${errors.length} errors`}: see the marked field.
          </Notice>
        )}
        {preview.data?.warnings.map((warning) => (
          <Notice key={warning} tone="warning">
            {warning}
          </Notice>
        ))}
      </div>
      {!content ? (
        <Empty icon={IconEye} title="Nothing to show yet">
          Fill in the fields that are needed; what comes out appears here.
        </Empty>
      ) : preview.isError ? (
        <Failure small error={preview.error} retry={() => void preview.refetch()} />
      ) : rendered ? (
        <div style={{ opacity: errors.length ? 0.45 : 1 }}>
          <Content content={rendered} />
        </div>
      ) : errors.length === 0 ? (
        <Skeleton h={240} m="md" w="auto" />
      ) : null}
      <Stack gap="md" className={classes.inputs}>
        <ProfilePicker onPick={setProfile} />
        <div>
          <Group justify="space-between">
            <Input.Label labelElement="div">Data</Input.Label>
          </Group>
          <Input.Description mb={6}>What a send would give as “data”. JSON.</Input.Description>
          <Suspense fallback={<Skeleton h={120} />}>
            <CodeEditor
              value={data}
              onChange={onData}
              language="json"
              label="Data"
              minHeight={90}
              maxHeight={260}
            />
          </Suspense>
          {!isData && (
            <Text role="alert" size="xs" c="var(--mantine-color-error)" mt={5}>
              {parsed.error ?? 'Write an object: { … }.'}
            </Text>
          )}
        </div>
      </Stack>
    </section>
  );
};

/** Picks a profile that exists: half a name is still being searched for, not rendered for. */
export const ProfilePicker = ({ onPick }: { onPick: (externalId: string | undefined) => void }) => {
  const allowed = useCan('profiles:read');
  const [typed, setTyped] = useState('');
  const [searched] = useDebouncedValue(typed.trim() || undefined, 200);
  const profiles = useQuery({
    queryKey: ['profiles', 'list', { search: searched, limit: 8 }],
    queryFn: () => api.profiles.list({ search: searched, limit: 8 }).page(),
    enabled: allowed,
    placeholderData: keepPreviousData,
  });
  const first = profiles.data?.items[0]?.externalId;
  const begun = useRef(false);
  // Most templates speak of a person, so the preview begins with one.
  useEffect(() => {
    if (begun.current || !first) return;
    begun.current = true;
    setTyped(first);
  }, [first]);
  const found = (profiles.data?.items ?? []).map((profile) => profile.externalId);
  const picked = found.includes(typed.trim()) ? typed.trim() : undefined;
  useEffect(() => onPick(picked), [picked, onPick]);
  return (
    <Autocomplete
      label="For the profile"
      description={
        typed.trim() && !picked ? 'Choose one of the profiles found.' : 'Empty: for nobody in particular.'
      }
      placeholder="External id, email or phone"
      value={typed}
      onChange={setTyped}
      data={found}
      filter={({ options }) => options}
      clearable
    />
  );
};
