/** Names and values, as a description list; and values as they came from elsewhere (JSON) made readable. */
import { ActionIcon, CopyButton, Tooltip } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { absoluteWithZone } from '../time.js';
import { sentenceCase } from '../words.js';
import classes from './Facts.module.css';

export const Facts = ({ items }: { items: [name: string, value: ReactNode][] }) => (
  <dl className={classes.facts}>
    {items.map(([name, value]) => (
      <div key={name} className={classes.fact}>
        <dt>{name}</dt>
        <dd>{value ?? <span style={{ color: 'var(--ink-soft)' }}>—</span>}</dd>
      </div>
    ))}
  </dl>
);

export const Copy = ({ value, label }: { value: string; label: string }) => (
  <CopyButton value={value} timeout={1500}>
    {({ copied, copy }) => (
      <Tooltip label={copied ? 'Copied' : label}>
        <ActionIcon
          size="sm"
          variant="subtle"
          color="gray"
          onClick={copy}
          aria-label={copied ? 'Copied' : label}
        >
          {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
        </ActionIcon>
      </Tooltip>
    )}
  </CopyButton>
);
/** An id or an address in full, with a button that copies it. */
export const Copyable = ({
  value,
  label,
  children,
}: {
  value: string;
  label: string;
  children?: ReactNode;
}) => (
  <span className={classes.copyable}>
    <span className="mono break">{children ?? value}</span>
    <Copy value={value} label={label} />
  </span>
);

const words = (key: string) =>
  sentenceCase(key.replace(/([a-z])([A-Z])/g, (_, a: string, b: string) => `${a} ${b.toLowerCase()}`));
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const scalar = (value: unknown): string => {
  if (value === null) return 'none';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return typeof value === 'string' && time.test(value) ? absoluteWithZone(value) : String(value);
};

/** JSON from a provider as names and values; deeper objects are indented, nothing is interpreted as markup. */
export const JsonFacts = ({ value }: { value: Record<string, unknown> }) => (
  <dl className={classes.json}>
    {Object.entries(value).map(([key, item]) => (
      <div key={key}>
        <dt>{words(key)}</dt>
        <dd className="break">
          {item !== null && typeof item === 'object' && Object.keys(item).length > 0 ? (
            <JsonFacts value={item as Record<string, unknown>} />
          ) : (
            scalar(Array.isArray(item) ? 'none' : item)
          )}
        </dd>
      </div>
    ))}
  </dl>
);
