/** The search box above a list; `/` leads here. It changes the address a moment after the last key. */
import { CloseButton, Kbd, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useState } from 'react';

export const ListSearch = ({
  label,
  placeholder,
  value,
  onSearch,
}: {
  label: string;
  placeholder: string;
  value: string | undefined;
  onSearch: (search: string | undefined) => void;
}) => {
  const [typed, setTyped] = useState(value ?? '');
  const search = useDebouncedCallback((text: string) => onSearch(text.trim() || undefined), 250);
  return (
    <TextInput
      data-search
      role="searchbox"
      aria-label={label}
      placeholder={placeholder}
      leftSection={<IconSearch size={15} aria-hidden />}
      rightSection={
        typed ? (
          <CloseButton
            size="sm"
            aria-label="Clear the search"
            onClick={() => {
              setTyped('');
              onSearch(undefined);
            }}
          />
        ) : (
          <Kbd size="xs">/</Kbd>
        )
      }
      maw={380}
      mb={14}
      value={typed}
      onChange={(event) => {
        setTyped(event.currentTarget.value);
        search(event.currentTarget.value);
      }}
    />
  );
};
