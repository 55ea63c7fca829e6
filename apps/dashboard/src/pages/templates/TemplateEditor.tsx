/** Writing a template: channels and locales at the left, what comes out at the right, each save a new version. */
import {
  ActionIcon,
  Button,
  Group,
  Menu,
  Select,
  Stack,
  Tabs,
  Text,
  TextInput,
  Tooltip,
} from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import { channels, type Channel, type TemplateDetail, type TemplateVersion } from '@carillon/contracts';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import {
  IconArchive,
  IconDeviceFloppy,
  IconDots,
  IconHistory,
  IconHourglassLow,
  IconPlus,
  IconTrash,
} from '@tabler/icons-react';
import { useRef, useState } from 'react';
import { api, ApiProblem } from '../../api.js';
import { ChannelMark } from '../../parts/Badges.js';
import { Confirm, messageOf } from '../../parts/Confirm.js';
import { Notice } from '../../parts/Notice.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { useCan } from '../../session.js';
import { absolute } from '../../time.js';
import { channelLooks } from '../../words.js';
import { ChannelFields } from './ChannelFields.js';
import {
  contentFrom,
  exampleData,
  faults,
  keyFrom,
  sortErrors,
  type ChannelDraft,
  type ContentDraft,
  type Draft,
  type PreviewErrors,
} from './draft.js';
import { LeaveGuard } from './LeaveGuard.js';
import { LocaleBar } from './LocaleBar.js';
import { PreviewPane } from './PreviewPane.js';
import classes from './Templates.module.css';

interface TemplateEditorProps {
  /** Both left out: a new template. */
  template?: TemplateDetail;
  version?: TemplateVersion;
  initial: Draft;
}
export const TemplateEditor = ({ template, version, initial }: TemplateEditorProps) => {
  const readOnly = !useCan('templates:write');
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const [draft, setDraft] = useState(initial);
  const [key, setKey] = useState('');
  const [locale, setLocale] = useState<string>();
  const [channel, setChannel] = useState<Channel>(channels.find((name) => initial.content[name]) ?? 'email');
  const [data, setData] = useState(() => JSON.stringify(exampleData(version?.variables ?? []), null, 2));
  const [previewErrors, setPreviewErrors] = useState<PreviewErrors>([]);
  const [tried, setTried] = useState(false);
  const [archiving, setArchiving] = useState(false);
  const saved = useRef(false);

  const older = template && version && version.version < template.version;
  const dirty = JSON.stringify(draft) !== JSON.stringify(initial);
  const content: ContentDraft = locale ? (draft.locales[locale] ?? {}) : draft.content;
  const change = (next: ContentDraft) =>
    setDraft((before) =>
      locale ? { ...before, locales: { ...before.locales, [locale]: next } } : { ...before, content: next },
    );
  const fields: ChannelDraft | undefined = content[channel];
  // A locale without this channel shows what the default says.
  const shown = fields ?? (locale ? draft.content[channel] : undefined);
  const found = shown ? faults(channel, shown) : {};
  const complete = shown && Object.keys(found).length === 0 ? contentFrom({ [channel]: shown }) : undefined;
  const errors = sortErrors(channel, previewErrors).fields;
  const allContents = [draft.content, ...Object.values(draft.locales)];
  const hasFault = (name: Channel) =>
    allContents.some((each) => each[name] && Object.keys(faults(name, each[name])).length > 0);

  const finalKey = template?.key ?? (key || keyFrom(draft.name));
  const save = useMutation({
    mutationFn: () =>
      api.templates.save(finalKey, {
        ...(draft.name.trim() && { name: draft.name.trim() }),
        content: contentFrom(draft.content),
        ...(Object.keys(draft.locales).length && {
          locales: Object.fromEntries(
            Object.entries(draft.locales)
              .filter(([, each]) => Object.keys(each).length > 0)
              .map(([tag, each]) => [tag, contentFrom(each)]),
          ),
        }),
        ...declared(version),
      }),
    onSuccess: async (result) => {
      saved.current = true;
      queryClient.setQueryData(['templates', 'one', result.key], result);
      await queryClient.invalidateQueries({ queryKey: ['templates', 'list'] });
      notifications.show({ message: `Saved as version ${result.version}. New sends use it from now on.` });
      await navigate({ to: '/templates/$key', params: { key: result.key }, search: {}, replace: true });
    },
    onError: (error) => {
      if (error instanceof ApiProblem && error.errors.length) setPreviewErrors([...error.errors]);
    },
  });
  const trySave = () => {
    setTried(true);
    const broken = channels.find(hasFault);
    if (readOnly || save.isPending) return;
    if (broken) return setChannel(broken);
    if (!finalKey || Object.keys(draft.content).length === 0) return;
    if (dirty || older || !template) save.mutate();
  };
  // Also from within a field and the code editor.
  useHotkeys([['mod+S', trySave]], [], true);

  return (
    <>
      <PageHeader
        title={template ? draft.name || template.key : 'New template'}
        parent={{ label: 'Templates', to: '/templates' }}
        lead={
          template && (
            <>
              <span className="mono">{template.key}</span> · version {template.version} since{' '}
              {absolute(template.updatedAt)}
            </>
          )
        }
        actions={
          <>
            {template && template.versions.length > 1 && (
              <Select
                aria-label="Version"
                w={190}
                leftSection={<IconHistory size={15} aria-hidden />}
                value={String(version?.version)}
                onChange={(chosen) =>
                  void navigate({
                    to: '/templates/$key',
                    params: { key: template.key },
                    search: { version: Number(chosen) === template.version ? undefined : Number(chosen) },
                  })
                }
                data={[...template.versions]
                  .sort((a, b) => b.version - a.version)
                  .map((each) => ({
                    value: String(each.version),
                    label: `Version ${each.version}${each.version === template.version ? ' (newest)' : ''}`,
                  }))}
              />
            )}
            {!readOnly && (
              <Button
                leftSection={<IconDeviceFloppy size={16} />}
                onClick={trySave}
                loading={save.isPending}
                disabled={template && !dirty && !older}
              >
                Save{template ? ` as version ${template.version + 1}` : ''}
              </Button>
            )}
            {template && !readOnly && (
              <Menu position="bottom-end" shadow="md">
                <Menu.Target>
                  <Button variant="default" px={9} aria-label="More actions">
                    <IconDots size={16} />
                  </Button>
                </Menu.Target>
                <Menu.Dropdown>
                  <Menu.Item
                    color="red"
                    leftSection={<IconArchive size={15} />}
                    onClick={() => setArchiving(true)}
                  >
                    Archive template
                  </Menu.Item>
                </Menu.Dropdown>
              </Menu>
            )}
          </>
        }
      />
      {older && (
        <Notice between tone="warning" icon={IconHistory}>
          You see version {version.version} of {absolute(version.createdAt)}. The newest is version{' '}
          {template.version}.
          {!readOnly && ` Saving takes this content over as version ${template.version + 1}.`}
        </Notice>
      )}
      {template?.rendering === 'sandboxed' && !older && (
        <Notice
          between
          tone="warning"
          icon={IconHourglassLow}
          title="Rendered in a sandbox, which takes longer"
        >
          {template.warnings.map(({ pointer, message }) => (
            <div key={pointer + message}>
              <span className="mono">{pointer.replace(/^\/content\//, '')}</span>: {message}
            </div>
          ))}
        </Notice>
      )}
      {save.error && !(save.error instanceof ApiProblem && save.error.errors.length) && (
        <Notice between tone="bad" title="Not saved" alert>
          {messageOf(save.error)}
        </Notice>
      )}
      <div className={classes.columns}>
        <Stack gap="lg" style={{ minWidth: 0 }}>
          {!readOnly && (
            <Group grow align="flex-start" gap="md">
              <TextInput
                label="Name"
                value={draft.name}
                onChange={(event) => {
                  const name = event.currentTarget.value;
                  setDraft((before) => ({ ...before, name }));
                }}
                placeholder="Order shipped"
                data-autofocus
              />
              {!template && (
                <TextInput
                  label="Key"
                  withAsterisk
                  description="What a send calls it. It stays."
                  inputWrapperOrder={['label', 'input', 'description', 'error']}
                  value={key || keyFrom(draft.name)}
                  onChange={(event) => setKey(event.currentTarget.value)}
                  placeholder="order-shipped"
                  error={tried && !finalKey ? 'Give it a key, for example order-shipped.' : undefined}
                />
              )}
            </Group>
          )}
          <div className="card">
            <Tabs
              value={channel}
              onChange={(next) => next && setChannel(next as Channel)}
              keepMounted={false}
            >
              <Tabs.List px={8} className={classes.tabs}>
                {channels.map((name) => (
                  <Tabs.Tab key={name} value={name} px={11}>
                    <span className={classes.tab} data-empty={!draft.content[name] || undefined}>
                      <ChannelMark channel={name} />
                      {tried && hasFault(name) && (
                        <Tooltip label="Something is missing here">
                          <span className={classes.flag} role="img" aria-label="Something is missing here" />
                        </Tooltip>
                      )}
                    </span>
                  </Tabs.Tab>
                ))}
              </Tabs.List>
            </Tabs>
            <div className={classes.tools}>
              <LocaleBar
                locales={Object.keys(draft.locales)}
                chosen={locale}
                onChoose={setLocale}
                onAdd={
                  readOnly
                    ? undefined
                    : (tag) => {
                        setDraft((before) => ({ ...before, locales: { ...before.locales, [tag]: {} } }));
                        setLocale(tag);
                      }
                }
              />
              {fields && !readOnly && (
                <ActionIcon
                  variant="subtle"
                  color="gray"
                  aria-label={`Take ${channelLooks[channel].label} away${locale ? ` for ${locale}` : ''}`}
                  onClick={() => {
                    const { [channel]: _, ...rest } = content;
                    change(rest);
                  }}
                >
                  <IconTrash size={15} />
                </ActionIcon>
              )}
            </div>
            <div className={classes.body}>
              {fields ? (
                <ChannelFields
                  channel={channel}
                  scope={locale ?? 'default'}
                  draft={fields}
                  faults={tried ? found : {}}
                  errors={errors}
                  readOnly={readOnly}
                  onChange={(name, value) => change({ ...content, [channel]: { ...fields, [name]: value } })}
                />
              ) : (
                <Stack align="center" gap={6} py={36} ta="center">
                  <Text fw={550}>
                    {locale
                      ? `${channelLooks[channel].label} says the same for ${locale}`
                      : `Says nothing by ${channelLooks[channel].label}`}
                  </Text>
                  <Text c="dimmed" size="sm" maw={380}>
                    {locale
                      ? 'People of this locale get the default content on this channel.'
                      : 'A message with this template cannot go by this channel yet.'}
                  </Text>
                  {!readOnly && (
                    <Button
                      mt="sm"
                      variant="default"
                      leftSection={<IconPlus size={15} />}
                      onClick={() =>
                        change({ ...content, [channel]: locale ? { ...draft.content[channel] } : {} })
                      }
                    >
                      {locale ? `Write it for ${locale}` : `Add ${channelLooks[channel].label}`}
                    </Button>
                  )}
                </Stack>
              )}
            </div>
          </div>
          {version && (
            <Section title="Variables" pad={false}>
              <div className={classes.variables}>
                {version.variables.map((variable) => (
                  <span key={variable.name} className={classes.variable}>
                    <span className="mono">{variable.name}</span>
                    <small>
                      {variable.type === 'unknown' ? '' : `${variable.type}, `}
                      {variable.required ? 'required' : 'optional'}
                    </small>
                  </span>
                ))}
                {version.variables.length === 0 && (
                  <Text size="sm" c="dimmed">
                    None: it says the same to everyone.
                  </Text>
                )}
              </div>
            </Section>
          )}
        </Stack>
        <PreviewPane
          templateKey={finalKey || 'new'}
          channel={channel}
          content={complete}
          locale={locale}
          data={data}
          onData={setData}
          onErrors={setPreviewErrors}
        />
      </div>
      <LeaveGuard dirty={() => dirty && !saved.current} />
      {template && (
        <Confirm
          opened={archiving}
          onClose={() => setArchiving(false)}
          title={`Archive ${template.name}?`}
          action="Archive it"
          onConfirm={async () => {
            await api.templates.archive(template.key);
            saved.current = true;
            await queryClient.invalidateQueries({ queryKey: ['templates', 'list'] });
            await navigate({ to: '/templates' });
          }}
        >
          New sends can no longer use it. Its versions stay readable, so past deliveries can still be shown.
        </Confirm>
      )}
    </>
  );
};

/** What the author declared of the variables goes along with the next version; what was only found is found again. */
const declared = (version: TemplateVersion | undefined) => {
  const kept = (version?.variables ?? []).flatMap(({ name, type, required, example }) =>
    type === 'unknown'
      ? []
      : [[name, { type, required, ...(example !== undefined && { example }) }] as const],
  );
  return kept.length ? { variables: Object.fromEntries(kept) } : {};
};
