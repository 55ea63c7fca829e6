/** Keys: `g` and a letter go to a place, `/` searches, `?` tells them all. Never while somebody types. */
import { Kbd, Modal, Stack, Text } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useMe } from '../session.js';
import { allPlaces } from './places.js';
import classes from './Shortcuts.module.css';

interface ShortcutsProps {
  helpOpened: boolean;
  onHelp: () => void;
  onClose: () => void;
}
export const Shortcuts = ({ helpOpened, onHelp, onClose }: ShortcutsProps) => {
  const navigate = useNavigate();
  const { scopes } = useMe();
  const reachable = allPlaces.filter((place) => scopes.includes(place.scope));
  useEffect(() => {
    let afterG = 0;
    const onKey = (event: KeyboardEvent) => {
      const target = event.target as HTMLElement;
      const typing = target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
      if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      if (document.querySelector('[role=dialog][aria-modal=true]')) return;
      const place = Date.now() - afterG < 1500 && reachable.find(({ key }) => key === event.key);
      afterG = event.key === 'g' ? Date.now() : 0;
      if (place) {
        event.preventDefault();
        void navigate({ to: place.to });
      } else if (event.key === '/') {
        const search = document.querySelector<HTMLInputElement>('[data-search]');
        if (!search) return;
        event.preventDefault();
        search.focus();
        search.select();
      } else if (event.key === '?') {
        event.preventDefault();
        onHelp();
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  });
  return (
    <Modal opened={helpOpened} onClose={onClose} title={<Text fw={600}>Keyboard shortcuts</Text>}>
      <Stack gap={0} component="ul" className={classes.list}>
        {reachable.map(({ label, key }) => (
          <li key={key}>
            <span>Go to {label}</span>
            <span>
              <Kbd size="sm">g</Kbd> <Kbd size="sm">{key}</Kbd>
            </span>
          </li>
        ))}
        <li>
          <span>Search on this page</span>
          <Kbd size="sm">/</Kbd>
        </li>
        <li>
          <span>Save a template</span>
          <span>
            <Kbd size="sm">Ctrl</Kbd> <Kbd size="sm">S</Kbd>
          </span>
        </li>
        <li>
          <span>These shortcuts</span>
          <Kbd size="sm">?</Kbd>
        </li>
        <li>
          <span>Close a dialog or menu</span>
          <Kbd size="sm">Esc</Kbd>
        </li>
      </Stack>
    </Modal>
  );
};
