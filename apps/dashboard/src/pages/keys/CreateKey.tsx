/** The form for a new API key: a name, what it may do, and until when. */
import { Checkbox, Group, SegmentedControl, Select, Text, TextInput } from '@mantine/core';
import { scopes, type Scope } from '@carillon/contracts';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../api.js';
import { DialogForm, faultAt } from '../../parts/DialogForm.js';
import { sentenceCase } from '../../words.js';
import classes from './Keys.module.css';

const all = Object.keys(scopes) as Scope[];
/** Keys for common uses; a person can still change each box. */
const presets: Record<string, { label: string; scopes: Scope[] }> = {
  send: { label: 'Send', scopes: ['messages:write', 'deliveries:read', 'profiles:write'] },
  read: {
    label: 'Read only',
    scopes: all.filter((scope) => scope.endsWith(':read') && scope !== 'keys:read'),
  },
  full: { label: 'Everything', scopes: all },
};
const lives = [
  { value: '', label: 'Never' },
  { value: '30', label: 'In 30 days' },
  { value: '90', label: 'In 90 days' },
  { value: '365', label: 'In a year' },
];

export const CreateKey = ({
  onCreated,
  onClose,
}: {
  onCreated: (made: { name: string; key: string }) => void;
  onClose: () => void;
}) => {
  const [name, setName] = useState('');
  const [chosen, setChosen] = useState<Scope[]>(presets.send?.scopes ?? []);
  const [days, setDays] = useState('');
  const [tried, setTried] = useState(false);
  const create = useMutation({
    mutationFn: () =>
      api.keys.create({
        name: name.trim(),
        scopes: chosen,
        ...(days && { expiresAt: new Date(Date.now() + Number(days) * 86_400_000).toISOString() }),
      }),
    onSuccess: onCreated,
  });
  const preset = Object.entries(presets).find(
    ([, { scopes: set }]) => set.length === chosen.length && set.every((scope) => chosen.includes(scope)),
  )?.[0];
  const nameFault =
    tried && !name.trim() ? 'Give it the name of whoever will use it.' : faultAt(create.error, '/name');
  return (
    <DialogForm
      action="Create key"
      busy={create.isPending}
      error={create.error}
      shown={Boolean(nameFault)}
      onClose={onClose}
      onSubmit={() => {
        setTried(true);
        if (name.trim() && chosen.length) create.mutate();
      }}
    >
      <TextInput
        label="Name"
        description="Who will use it, for example “shop backend”."
        withAsterisk
        value={name}
        error={nameFault}
        onChange={(event) => setName(event.currentTarget.value)}
        data-autofocus
      />
      <div>
        <Group justify="space-between" mb={8}>
          <Text size="sm" fw={500}>
            What it may do
          </Text>
          <SegmentedControl
            size="xs"
            aria-label="Common choices"
            value={preset ?? 'own'}
            onChange={(value) => setChosen(presets[value]?.scopes ?? chosen)}
            data={[
              ...Object.entries(presets).map(([value, { label }]) => ({ value, label })),
              { value: 'own', label: 'My own choice' },
            ]}
          />
        </Group>
        <Checkbox.Group
          value={chosen}
          onChange={(value) => setChosen(value as Scope[])}
          error={tried && chosen.length === 0 ? 'Choose at least one.' : undefined}
          aria-label="What it may do"
        >
          <div className={classes.scopes}>
            {all.map((scope) => (
              <Checkbox
                key={scope}
                size="xs"
                value={scope}
                label={sentenceCase(scopes[scope])}
                description={<span className="mono">{scope}</span>}
              />
            ))}
          </div>
        </Checkbox.Group>
      </div>
      <Select
        label="It ends"
        data={lives}
        value={days}
        onChange={(value) => setDays(value ?? '')}
        maw={220}
      />
    </DialogForm>
  );
};
