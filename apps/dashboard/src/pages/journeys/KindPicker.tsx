/** Which kind of step comes here: a dialog, so that the keyboard chooses as quickly as the pointer. */
import { Modal, SimpleGrid, Text, UnstyledButton } from '@mantine/core';
import type { JourneyStepKind } from '@carillon/contracts';
import classes from './Journeys.module.css';
import { kindList, kindLooks } from './looks.js';

interface PickerProps {
  title: string;
  opened: boolean;
  /** Something comes after it, so that it cannot be an end. */
  onwards: boolean;
  onPick: (kind: JourneyStepKind) => void;
  onClose: () => void;
}
export const KindPicker = ({ title, opened, onwards, onPick, onClose }: PickerProps) => (
  <Modal
    opened={opened}
    onClose={onClose}
    size="lg"
    title={<Text fw={600}>{title}</Text>}
    returnFocus={false}
  >
    <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="xs" component="ul" className={classes.kinds}>
      {kindList
        .filter((kind) => kind !== 'end' || !onwards)
        .map((kind, at) => {
          const { icon: KindIcon, label, color, means } = kindLooks[kind];
          return (
            <li key={kind}>
              <UnstyledButton
                className={classes.kindOne}
                onClick={() => onPick(kind)}
                data-autofocus={at === 0 || undefined}
                aria-label={`${label}: ${means}`}
              >
                <KindIcon size={18} color={color} stroke={1.7} aria-hidden />
                <span>
                  <Text fw={550} size="sm" component="span" display="block">
                    {label}
                  </Text>
                  <Text size="xs" c="dimmed" component="span">
                    {means}
                  </Text>
                </span>
              </UnstyledButton>
            </li>
          );
        })}
    </SimpleGrid>
  </Modal>
);
