/** Creates or changes a topic: its names by language, its place in the tree, what silence means, double opt-in. */
import {
  ActionIcon,
  Button,
  Group,
  Modal,
  NumberInput,
  Select,
  Switch,
  Text,
  TextInput,
} from '@mantine/core';
import type { Topic } from '@carillon/contracts';
import { useMutation, useQuery } from '@tanstack/react-query';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { api } from '../../api.js';
import { DialogForm, faultAt } from '../../parts/DialogForm.js';
import { nameOf, possibleParents } from './tree.js';

interface Text {
  locale: string;
  name: string;
  description: string;
}
const textsOf = (topic: Topic | undefined): Text[] =>
  topic
    ? Object.entries(topic.name).map(([locale, name]) => ({
        locale,
        name,
        description: topic.description[locale] ?? '',
      }))
    : [{ locale: 'en', name: '', description: '' }];

export const TopicDialog = ({
  topic,
  all,
  onClose,
  onDone,
}: {
  topic: Topic | undefined;
  all: readonly Topic[];
  onClose: () => void;
  onDone: () => Promise<void>;
}) => {
  const [key, setKey] = useState(topic?.key ?? '');
  const [texts, setTexts] = useState(textsOf(topic));
  const [parent, setParent] = useState(topic?.parent ?? null);
  const [kind, setKind] = useState<Topic['class']>(topic?.class ?? 'marketing');
  const [byDefault, setByDefault] = useState(topic?.byDefault ?? null);
  const [template, setTemplate] = useState(topic?.doubleOptIn?.template ?? null);
  const [asks, setAsks] = useState(Boolean(topic?.doubleOptIn));
  const [position, setPosition] = useState(topic?.position ?? 0);
  const templates = useQuery({
    queryKey: ['templates', 'keys'],
    queryFn: async () => (await api.templates.list({ limit: 100 }).page()).items.map((each) => each.key),
    enabled: asks,
  });
  const save = useMutation({
    mutationFn: async () => {
      const given = texts.filter(({ locale, name }) => locale.trim() && name.trim());
      const by = (field: 'name' | 'description') =>
        Object.fromEntries(
          given.flatMap((text) => (text[field].trim() ? [[text.locale.trim(), text[field].trim()]] : [])),
        );
      await api.topics.save(key.trim(), {
        name: by('name'),
        description: by('description'),
        parent,
        class: kind,
        byDefault,
        doubleOptIn: asks && template ? { template } : null,
        position,
      });
      await onDone();
      onClose();
    },
  });
  const setText = (at: number, part: Partial<Text>) =>
    setTexts((before) => before.map((text, i) => (i === at ? { ...text, ...part } : text)));
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={<Text fw={600}>{topic ? nameOf(topic) : 'New topic'}</Text>}
    >
      <DialogForm
        action={topic ? 'Save' : 'Create topic'}
        busy={save.isPending}
        error={save.error}
        shown={faultAt(save.error, '/key') !== undefined}
        onClose={onClose}
        onSubmit={() => save.mutate()}
      >
        {!topic && (
          <TextInput
            label="Key"
            description="What messages and rules name it by: small letters, digits, dots. It cannot be changed."
            placeholder="news.weekly"
            value={key}
            error={faultAt(save.error, '/key')}
            onChange={(event) => setKey(event.currentTarget.value)}
            required
            data-autofocus
          />
        )}
        {texts.map((text, at) => (
          <Group key={at} align="flex-end" gap="xs">
            <TextInput
              label={at === 0 ? 'Language' : undefined}
              aria-label="Language"
              w={92}
              style={{ flex: 'none' }}
              value={text.locale}
              onChange={(event) => setText(at, { locale: event.currentTarget.value })}
              required
            />
            <TextInput
              label={at === 0 ? 'Name' : undefined}
              aria-label={`Name in ${text.locale}`}
              style={{ flex: '1 1 150px' }}
              value={text.name}
              onChange={(event) => setText(at, { name: event.currentTarget.value })}
              required
            />
            <TextInput
              label={at === 0 ? 'Description' : undefined}
              aria-label={`Description in ${text.locale}`}
              style={{ flex: '2 1 190px' }}
              value={text.description}
              onChange={(event) => setText(at, { description: event.currentTarget.value })}
            />
            {texts.length > 1 && (
              <ActionIcon
                variant="subtle"
                color="gray"
                size="lg"
                aria-label={`Remove ${text.locale}`}
                onClick={() => setTexts((before) => before.filter((_, i) => i !== at))}
              >
                <IconTrash size={16} />
              </ActionIcon>
            )}
          </Group>
        ))}
        <Button
          variant="subtle"
          size="compact-sm"
          leftSection={<IconPlus size={14} />}
          style={{ alignSelf: 'flex-start' }}
          onClick={() => setTexts((before) => [...before, { locale: '', name: '', description: '' }])}
        >
          Another language
        </Button>
        <Group grow align="flex-start">
          <Select
            label="Below"
            placeholder="At the top"
            clearable
            data={possibleParents(all, topic?.key).map((each) => ({ value: each.key, label: nameOf(each) }))}
            value={parent}
            onChange={setParent}
          />
          <NumberInput
            label="Position"
            min={0}
            max={100_000}
            value={position}
            onChange={(value) => setPosition(Number(value) || 0)}
          />
        </Group>
        <Group grow align="flex-start">
          <Select
            label="Class"
            allowDeselect={false}
            data={[
              { value: 'marketing', label: 'Marketing' },
              { value: 'transactional', label: 'Transactional' },
            ]}
            value={kind}
            onChange={(value) => setKind(value as Topic['class'])}
          />
          <Select
            label="Silence means"
            allowDeselect={false}
            data={[
              { value: '', label: parent ? 'As the topic above says' : 'As the workspace says' },
              { value: 'in', label: 'In' },
              { value: 'out', label: 'Out' },
            ]}
            value={byDefault ?? ''}
            onChange={(value) => setByDefault(value === 'in' || value === 'out' ? value : null)}
          />
        </Group>
        <Switch
          label="Double opt-in"
          description="Who says in is asked once more by email, and counts after that."
          checked={asks}
          onChange={(event) => setAsks(event.currentTarget.checked)}
        />
        {asks && (
          <Select
            label="The message that asks"
            description="A template; it gets {{ confirm_url }}."
            data={[...new Set([...(templates.data ?? []), ...(template ? [template] : [])])]}
            value={template}
            onChange={setTemplate}
            searchable
            required
            nothingFoundMessage="No template of that key"
          />
        )}
      </DialogForm>
    </Modal>
  );
};
