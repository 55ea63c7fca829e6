/** A new provider account: choose the provider, then fill in what its schema asks for. */
import { Button, SimpleGrid, Stack, Text, Title } from '@mantine/core';
import { notifications } from '@mantine/notifications';
import { channels } from '@carillon/contracts';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { IconArrowLeft } from '@tabler/icons-react';
import { ChannelMark } from '../../parts/Badges.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Failure, PagePending } from '../../parts/PageStates.js';
import { AccountForm } from './AccountForm.js';
import classes from './Accounts.module.css';
import { providersQuery } from './queries.js';

const route = getRouteApi('/app/accounts/new');

export const NewAccount = () => {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const providers = useQuery(providersQuery);
  const chosen = providers.data?.find(
    ({ channel, name }) => name === search.provider && (!search.channel || channel === search.channel),
  );
  const shown = channels.filter((channel) => !search.channel || channel === search.channel);
  return (
    <div className={classes.narrow}>
      <PageHeader
        title={chosen ? `New ${chosen.title} account` : 'New provider account'}
        parent={{ label: 'Provider accounts', to: '/accounts' }}
        lead={chosen ? undefined : 'Who is to carry your messages?'}
      />
      {providers.isError ? (
        <div className="card">
          <Failure error={providers.error} retry={() => void providers.refetch()} />
        </div>
      ) : !providers.data ? (
        <PagePending />
      ) : chosen ? (
        <Section
          title={<ChannelMark channel={chosen.channel} />}
          actions={
            <Button
              size="compact-sm"
              variant="subtle"
              color="gray"
              leftSection={<IconArrowLeft size={14} />}
              onClick={() => void navigate({ search: {} })}
            >
              Another provider
            </Button>
          }
        >
          <AccountForm
            key={`${chosen.channel} ${chosen.name}`}
            provider={chosen}
            onSaved={(account) => {
              notifications.show({ message: `${account.name} is ready. Test it before you rely on it.` });
              void navigate({ to: '/accounts/$id', params: { id: account.id } });
            }}
          />
        </Section>
      ) : (
        <Stack gap="xl">
          {shown.map((channel) => {
            const offered = providers.data.filter((provider) => provider.channel === channel);
            return (
              offered.length > 0 && (
                <section key={channel}>
                  <Title order={2} size="h3" mb="xs">
                    <ChannelMark channel={channel} />
                  </Title>
                  <SimpleGrid cols={{ base: 1, sm: 2 }} spacing="sm">
                    {offered.map((provider) => (
                      <Link
                        key={provider.name}
                        to="/accounts/new"
                        search={{ channel, provider: provider.name }}
                        className={`card row-link ${classes.provider}`}
                      >
                        <Text fw={550}>{provider.title}</Text>
                        <Text size="sm" c="dimmed">
                          {provider.webhooks ? 'Reports receipts by webhook' : 'No receipts by webhook'}
                        </Text>
                      </Link>
                    ))}
                  </SimpleGrid>
                </section>
              )
            );
          })}
        </Stack>
      )}
    </div>
  );
};
