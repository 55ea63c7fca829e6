/** A template's page: loads the version asked for and hands it to the editor. */
import { useQuery } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { api } from '../../api.js';
import { PageHeader } from '../../parts/PageHeader.js';
import { Failure, PagePending } from '../../parts/PageStates.js';
import { draftOf, emptyDraft } from './draft.js';
import { TemplateEditor } from './TemplateEditor.js';

const route = getRouteApi('/app/templates/$key');

export const TemplatePage = () => {
  const { key } = route.useParams();
  const { version } = route.useSearch();
  const template = useQuery({ queryKey: ['templates', 'one', key], queryFn: () => api.templates.get(key) });
  const old = version !== undefined && version !== template.data?.version;
  const chosen = useQuery({
    queryKey: ['templates', 'one', key, version],
    queryFn: () => api.templates.version(key, version ?? 1),
    enabled: template.data !== undefined && old,
    staleTime: Infinity,
  });
  const failed = [template, chosen].find((query) => query.isError && !query.data);
  if (failed)
    return (
      <>
        <PageHeader title="Template" parent={{ label: 'Templates', to: '/templates' }} />
        <div className="card">
          <Failure error={failed.error} retry={() => void failed.refetch()} />
        </div>
      </>
    );
  const shown = old ? chosen.data : template.data?.current;
  if (!template.data || !shown) return <PagePending />;
  return (
    <TemplateEditor
      key={`${key} ${shown.version}`}
      template={template.data}
      version={shown}
      initial={draftOf(template.data.name, shown)}
    />
  );
};

export const NewTemplatePage = () => <TemplateEditor initial={{ ...emptyDraft, content: { email: {} } }} />;
