/** What the fields of every kind of step share: where they write, and what is wrong there. */
import { Text } from '@mantine/core';
import type { JourneyStep } from '@carillon/contracts';
import { withAt, type Place } from '../document.js';
import { faultAt, useEditing } from '../editing.js';

export interface FormProps<S extends JourneyStep = JourneyStep> {
  name: string;
  step: S;
  /** `tag`: what is being typed, so that one undo takes it all back. */
  onChange: (step: JourneyStep, tag?: string) => void;
}

export const useField = ({ name, step, onChange }: FormProps) => {
  const { readOnly, findings } = useEditing();
  const set = (place: Place, value: unknown) =>
    onChange(withAt(step, place, value === '' ? undefined : value), `${name} ${place.join('.')}`);
  const fault = (...place: Place) => faultAt(findings, 'steps', name, ...place);
  return { set, fault, common: { disabled: readOnly }, readOnly };
};

export const Fault = ({ children }: { children: string | undefined }) =>
  children ? (
    <Text size="xs" c="var(--status-failed)">
      {children}
    </Text>
  ) : null;
