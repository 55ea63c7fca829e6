/** Which locale's content is being written. */
import { Button, Group, Popover, SegmentedControl, Text, TextInput } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { IconPlus } from '@tabler/icons-react';
import { useState } from 'react';

const names = new Intl.DisplayNames('en', { type: 'language' });
/** The name of a BCP 47 tag, undefined when it is none. */
const nameOf = (tag: string): string | undefined => {
  try {
    return Intl.getCanonicalLocales(tag)[0] && names.of(tag);
  } catch {
    return undefined;
  }
};

interface LocaleBarProps {
  locales: string[];
  chosen: string | undefined;
  onChoose: (locale: string | undefined) => void;
  onAdd?: (locale: string) => void;
}
export const LocaleBar = ({ locales, chosen, onChoose, onAdd }: LocaleBarProps) => {
  const [opened, panel] = useDisclosure(false);
  const [typed, setTyped] = useState('');
  const tag = typed.trim();
  const name = tag ? nameOf(tag) : undefined;
  return (
    <Group gap={6}>
      {locales.length > 0 && (
        <SegmentedControl
          size="xs"
          aria-label="Locale"
          value={chosen ?? ''}
          onChange={(value) => onChoose(value || undefined)}
          data={[
            { value: '', label: 'Default' },
            ...locales.map((locale) => ({ value: locale, label: locale })),
          ]}
        />
      )}
      {onAdd && (
        <Popover
          opened={opened}
          onChange={(open) => (open ? panel.open() : panel.close())}
          trapFocus
          shadow="md"
          width={240}
        >
          <Popover.Target>
            <Button
              size="compact-xs"
              variant="subtle"
              color="gray"
              leftSection={<IconPlus size={13} />}
              onClick={panel.toggle}
            >
              Locale
            </Button>
          </Popover.Target>
          <Popover.Dropdown>
            <form
              onSubmit={(event) => {
                event.preventDefault();
                if (!name || locales.includes(tag)) return;
                onAdd(tag);
                setTyped('');
                panel.close();
              }}
            >
              <TextInput
                size="xs"
                label="Locale"
                placeholder="fr or pt-BR"
                value={typed}
                onChange={(event) => setTyped(event.currentTarget.value)}
                error={
                  locales.includes(tag)
                    ? 'This one is there already.'
                    : tag && !name
                      ? 'Not a language tag.'
                      : undefined
                }
                data-autofocus
              />
              <Group justify="space-between" mt="xs">
                <Text size="xs" c="dimmed">
                  {name && name !== tag ? name : ''}
                </Text>
                <Button size="compact-xs" type="submit" disabled={!name || locales.includes(tag)}>
                  Add
                </Button>
              </Group>
            </form>
          </Popover.Dropdown>
        </Popover>
      )}
    </Group>
  );
};
