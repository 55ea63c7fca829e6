/** Beside the canvas, of the step that is open: what is wrong with it, who is there, and its settings. */
import { Button, Group } from '@mantine/core';
import type { Journey, JourneyNumbers, JourneyStep, JourneyVersion } from '@carillon/contracts';
import { AtStep, Findings, PanelHead } from './BesideCanvas.js';
import { useEditing } from './editing.js';
import { StepForm } from './StepForm.js';

export const StepPanel = ({
  journey,
  name,
  title,
  step,
  looking,
  numbers,
  onClose,
  onFollow,
  onExchange,
  onTakeOut,
  onChange,
  onRename,
}: {
  journey: Journey;
  name: string;
  title: string;
  step: JourneyStep;
  /** The version that is looked at; none: the draft. */
  looking: JourneyVersion | undefined;
  numbers: JourneyNumbers | undefined;
  onClose: () => void;
  onFollow: (enrollment: string) => void;
  onExchange: () => void;
  onTakeOut: () => void;
  onChange: (step: JourneyStep, tag?: string) => void;
  onRename: (to: string) => void;
}) => {
  const { readOnly, findings } = useEditing();
  return (
    <>
      <PanelHead title={title} onClose={onClose} />
      <Findings findings={findings.filter((one) => one.step === name)} />
      {looking && (
        <AtStep journey={journey} version={looking} step={name} numbers={numbers} onFollow={onFollow} />
      )}
      {!readOnly && (
        <Group gap={6} mb="sm">
          <Button size="compact-sm" variant="default" onClick={onExchange}>
            Exchange
          </Button>
          <Button size="compact-sm" variant="default" onClick={onTakeOut}>
            Take out
          </Button>
        </Group>
      )}
      <StepForm name={name} step={step} onChange={onChange} onRename={onRename} />
    </>
  );
};
