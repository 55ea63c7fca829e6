/** The form of an endpoint: where, what for, and which events. */
import { MultiSelect, TextInput } from '@mantine/core';
import { allWebhookTypes, type WebhookType } from '@carillon/contracts';
import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { DialogForm, faultAt } from '../../parts/DialogForm.js';

interface Values {
  url: string;
  description: string;
  types: WebhookType[];
}

export const EndpointForm = ({
  initial = { url: '', description: '', types: [] },
  action,
  save,
  onClose,
}: {
  initial?: Values;
  action: string;
  save: (values: Values) => Promise<void>;
  onClose: () => void;
}) => {
  const [values, setValues] = useState(initial);
  const [tried, setTried] = useState(false);
  const saving = useMutation({ mutationFn: save });
  const set = (change: Partial<Values>) => setValues((before) => ({ ...before, ...change }));
  const urlFault =
    tried && !values.url.trim()
      ? 'Give the whole address, for example https://shop.example.com/carillon.'
      : faultAt(saving.error, '/url');
  return (
    <DialogForm
      action={action}
      busy={saving.isPending}
      error={saving.error}
      shown={Boolean(urlFault)}
      onClose={onClose}
      onSubmit={() => {
        setTried(true);
        if (values.url.trim()) saving.mutate({ ...values, url: values.url.trim() });
      }}
    >
      <TextInput
        label="Address"
        description="Events are posted here. It must be reachable from the internet, by https."
        withAsterisk
        value={values.url}
        error={urlFault}
        onChange={(event) => set({ url: event.currentTarget.value })}
        data-autofocus
      />
      <TextInput
        label="Description"
        value={values.description}
        onChange={(event) => set({ description: event.currentTarget.value })}
      />
      <MultiSelect
        label="Events"
        description="None chosen: all of them, also those added later."
        data={allWebhookTypes}
        value={values.types}
        onChange={(types) => set({ types: types as WebhookType[] })}
        searchable
        clearable
      />
    </DialogForm>
  );
};
