/** The fields of a settings schema as inputs. Secrets are write-only: a set one shows that it is set, nothing more. */
import {
  Button,
  Group,
  PasswordInput,
  Select,
  Stack,
  Switch,
  TagsInput,
  Text,
  Textarea,
  TextInput,
} from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import type { Field, Typed } from './fields.js';
import classes from './SettingsFields.module.css';

interface SettingsFieldsProps {
  fields: Field[];
  typed: Typed;
  errors: Record<string, string | undefined>;
  secretsSet: readonly string[];
  /** Secrets to be taken away on save. */
  cleared: ReadonlySet<string>;
  onChange: (name: string, value: Typed[string]) => void;
  onClear: (name: string, clear: boolean) => void;
  disabled?: boolean;
}
export const SettingsFields = ({ fields, ...rest }: SettingsFieldsProps) => {
  const operator = fields.filter((field) => field.operator);
  const used = operator.some(({ name }) => rest.errors[name] !== undefined || rest.typed[name]);
  return (
    <Stack gap="md">
      <Inputs {...rest} fields={fields.filter((field) => !field.operator)} />
      {operator.length > 0 && (
        <details open={used} className={classes.operator}>
          <summary>For whoever runs this installation</summary>
          <Inputs {...rest} fields={operator} />
        </details>
      )}
    </Stack>
  );
};

const Inputs = ({
  fields,
  typed,
  errors,
  secretsSet,
  cleared,
  onChange,
  onClear,
  disabled,
}: SettingsFieldsProps) => (
  <Stack gap="md">
    {fields.map((field) => {
      const { name } = field;
      const value = typed[name];
      const text = typeof value === 'string' ? value : '';
      const shared = {
        name: `settings.${name}`,
        label: field.label,
        description: field.description,
        error: errors[name],
        disabled,
        withAsterisk: field.required && !secretsSet.includes(name),
      };
      switch (field.kind) {
        case 'secret': {
          const isSet = secretsSet.includes(name);
          const clear = cleared.has(name);
          const placeholder = clear
            ? 'Will be taken away'
            : isSet
              ? disabled
                ? 'Set'
                : 'Set — leave empty to keep'
              : field.placeholder;
          const input = {
            ...shared,
            value: text,
            placeholder,
            autoComplete: 'off',
            leftSection: <IconLock size={14} aria-hidden />,
            onChange: (event: { currentTarget: { value: string } }) =>
              onChange(name, event.currentTarget.value),
          };
          return (
            <div key={name}>
              {field.long ? (
                <Textarea
                  {...input}
                  minRows={3}
                  maxRows={10}
                  autosize
                  spellCheck={false}
                  styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
                />
              ) : (
                <PasswordInput {...input} autoComplete="new-password" />
              )}
              {isSet && !field.required && !disabled && (
                <Group justify="flex-end" mt={4}>
                  <Button
                    size="compact-xs"
                    variant="subtle"
                    color="gray"
                    onClick={() => onClear(name, !clear)}
                  >
                    {clear ? 'Keep it' : 'Take it away'}
                  </Button>
                </Group>
              )}
            </div>
          );
        }
        case 'switch':
          return (
            <Switch
              key={name}
              name={shared.name}
              label={field.label}
              description={field.description}
              error={errors[name]}
              disabled={disabled}
              checked={value === true}
              onChange={(event) => onChange(name, event.currentTarget.checked)}
            />
          );
        case 'choice':
          return (
            <Select
              key={name}
              {...shared}
              data={field.choices}
              value={text || null}
              placeholder="Choose"
              allowDeselect={!field.required && field.initial === undefined}
              clearable={!field.required && field.initial === undefined}
              onChange={(choice) => onChange(name, choice ?? '')}
            />
          );
        case 'list':
          return (
            <TagsInput
              key={name}
              {...shared}
              value={Array.isArray(value) ? value : []}
              placeholder="Type one and press Enter"
              onChange={(items) => onChange(name, items)}
            />
          );
        case 'json':
          return (
            <Textarea
              key={name}
              {...shared}
              value={text}
              autosize
              minRows={3}
              maxRows={14}
              spellCheck={false}
              placeholder="JSON"
              styles={{ input: { fontFamily: 'var(--mantine-font-family-monospace)' } }}
              onChange={(event) => onChange(name, event.currentTarget.value)}
            />
          );
        default:
          return (
            <TextInput
              key={name}
              {...shared}
              value={text}
              placeholder={field.placeholder}
              inputMode={field.kind === 'number' ? 'decimal' : undefined}
              spellCheck={false}
              rightSectionWidth={field.nullable ? 70 : undefined}
              rightSection={
                field.nullable && !text ? (
                  <Text size="xs" c="dimmed">
                    optional
                  </Text>
                ) : undefined
              }
              onChange={(event) => onChange(name, event.currentTarget.value)}
            />
          );
      }
    })}
  </Stack>
);
