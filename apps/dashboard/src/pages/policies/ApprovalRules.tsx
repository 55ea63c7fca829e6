/** Rules about who approves of which campaigns: when, and by whom. What the fields do not hold (topics, audiences) stays as it is. */
import { ActionIcon, Button, Group, MultiSelect, NumberInput, TagsInput, Text } from '@mantine/core';
import { channels, roles, type ApprovalRule } from '@carillon/contracts';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { channelLooks } from '../../words.js';
import classes from './Policies.module.css';

export const firstRule: ApprovalRule = { when: { morePeopleThan: 10_000 }, by: { roles: ['owner'] } };
const MOST = 20;
const roleLabels = { owner: 'Owners', editor: 'Editors', viewer: 'Viewers' } as const;

interface Props {
  rules: ApprovalRule[];
  disabled: boolean;
  busy: boolean;
  onSave: (rules: ApprovalRule[]) => void;
}

export const ApprovalRules = ({ rules: saved, disabled, busy, onSave }: Props) => {
  const [rules, setRules] = useState(saved);
  const update = (n: number, change: (rule: ApprovalRule) => ApprovalRule) =>
    setRules(rules.map((rule, m) => (m === n ? change(rule) : rule)));
  const changed = JSON.stringify(rules) !== JSON.stringify(saved);
  return (
    <div role="list" aria-label="Rules about approval">
      {rules.map((rule, n) => (
        <div key={n} role="listitem" className={classes.approval}>
          <MultiSelect
            label="Goes out by"
            placeholder={rule.when.channels ? '' : 'Any channel'}
            disabled={disabled}
            data={channels.map((value) => ({ value, label: channelLooks[value].label }))}
            value={rule.when.channels ?? []}
            onChange={(value) =>
              update(n, ({ when: { channels: _, ...when }, by }) => ({
                when: value.length > 0 ? { ...when, channels: value } : when,
                by,
              }))
            }
          />
          <NumberInput
            label="To more people than"
            placeholder="Any number"
            disabled={disabled}
            min={0}
            allowDecimal={false}
            thousandSeparator=","
            value={rule.when.morePeopleThan ?? ''}
            onChange={(value) =>
              update(n, ({ when: { morePeopleThan: _, ...when }, by }) => ({
                when: value === '' ? when : { ...when, morePeopleThan: Number(value) },
                by,
              }))
            }
          />
          <MultiSelect
            label="Approved of by"
            placeholder={rule.by.roles ? '' : rule.by.people ? 'Nobody else' : 'Anybody else'}
            disabled={disabled}
            data={roles
              .filter((role) => role !== 'viewer')
              .map((value) => ({ value, label: roleLabels[value] }))}
            value={rule.by.roles ?? []}
            onChange={(value) =>
              update(n, ({ when, by: { roles: _, ...by } }) => ({
                when,
                by: value.length > 0 ? { ...by, roles: value } : by,
              }))
            }
          />
          <TagsInput
            label="Or by"
            placeholder={rule.by.people ? '' : 'Email'}
            disabled={disabled}
            value={rule.by.people ?? []}
            onChange={(value) =>
              update(n, ({ when, by: { people: _, ...by } }) => ({
                when,
                by: value.length > 0 ? { ...by, people: value } : by,
              }))
            }
          />
          {!disabled && (
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`Remove rule ${n + 1}`}
              disabled={rules.length === 1}
              onClick={() => setRules(rules.filter((_, m) => m !== n))}
            >
              <IconTrash size={16} />
            </ActionIcon>
          )}
        </div>
      ))}
      {!disabled && (
        <Group justify="space-between" className={classes.approvalEnd}>
          <Button
            size="xs"
            variant="default"
            leftSection={<IconPlus size={14} />}
            disabled={rules.length >= MOST}
            onClick={() => setRules([...rules, { when: {}, by: {} }])}
          >
            Add a rule
          </Button>
          <Group gap="sm">
            {!changed && (
              <Text size="sm" c="dimmed">
                Saved
              </Text>
            )}
            <Button size="xs" disabled={!changed} loading={busy} onClick={() => onSave(rules)}>
              Save rules
            </Button>
          </Group>
        </Group>
      )}
    </div>
  );
};
