/** What there is to choose from on a journey's canvas: words of rules, templates, audiences, other journeys. */
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { api } from '../../api.js';
import type { Choices } from './editing.js';

export const useChoices = (): Choices => {
  const words = useQuery({ queryKey: ['audiences', 'words'], queryFn: () => api.audiences.vocabulary() });
  const templates = useQuery({
    queryKey: ['templates', 'all'],
    queryFn: () => api.templates.list({ limit: 200 }).page(),
  });
  const audiences = useQuery({
    queryKey: ['audiences', 'list', {}],
    queryFn: () => api.audiences.list({ limit: 200 }).page(),
  });
  const journeys = useQuery({
    queryKey: ['journeys', 'all'],
    queryFn: () => api.journeys.list({ limit: 200 }).page(),
  });
  return useMemo(
    () => ({
      words: words.data ?? { attributes: [], events: [], topics: [], templates: [], audiences: [] },
      templates: (templates.data?.items ?? []).map((one) => ({ value: one.key, label: one.name })),
      audiences: (audiences.data?.items ?? []).map((one) => ({
        value: one.key,
        label: one.name,
        list: one.kind === 'list',
        live: one.live,
      })),
      journeys: (journeys.data?.items ?? []).map((one) => ({ value: one.key, label: one.name })),
    }),
    [words.data, templates.data, audiences.data, journeys.data],
  );
};
