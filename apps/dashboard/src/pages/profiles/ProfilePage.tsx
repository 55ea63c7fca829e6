/** One person: addresses, attributes, activity, other names, devices, and their history. */
import { ActionIcon, Button, Menu, Stack, Table, Text, Tooltip } from '@mantine/core';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import type { Device, Profile } from '@carillon/contracts';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { getRouteApi } from '@tanstack/react-router';
import { IconArrowMerge, IconDots, IconDownload, IconEraser, IconTrash } from '@tabler/icons-react';
import { useState, type ReactNode } from 'react';
import { api } from '../../api.js';
import { Confirm } from '../../parts/Confirm.js';
import { Copyable, Facts, JsonFacts } from '../../parts/Facts.js';
import { PageHeader, Section } from '../../parts/PageHeader.js';
import { Failure, PagePending } from '../../parts/PageStates.js';
import { When } from '../../parts/Times.js';
import { useCan } from '../../session.js';
import { whole } from '../home/tally.js';
import { History } from './History.js';
import { Identities, MergeDialog } from './Identities.js';
import classes from './ProfilePage.module.css';
import { Standing } from './Standing.js';

const route = getRouteApi('/app/profiles/$externalId');
const platforms = { ios: 'iOS', android: 'Android', web: 'Web' } as const;

export const ProfilePage = () => {
  const { externalId } = route.useParams();
  const profile = useQuery({
    queryKey: ['profiles', 'one', externalId],
    queryFn: () => api.profiles.get(externalId),
  });
  if (profile.isError && !profile.data)
    return (
      <>
        <PageHeader title="Profile" parent={{ label: 'Profiles', to: '/profiles' }} />
        <div className="card">
          <Failure error={profile.error} retry={() => void profile.refetch()} />
        </div>
      </>
    );
  if (!profile.data) return <PagePending />;
  const it = profile.data;
  return (
    <>
      <PageHeader
        title={it.externalId}
        parent={{ label: 'Profiles', to: '/profiles' }}
        lead={[it.email, it.phone].filter(Boolean).join(' · ') || 'No email address and no phone number.'}
        actions={<ProfileActions profile={it} />}
      />
      <Stack gap="lg">
        <div className={classes.columns}>
          <Section title="Facts">
            <Facts
              items={[
                ['External id', <Copyable key="x" value={it.externalId} label="Copy the external id" />],
                ['Email', it.email && <Copyable key="e" value={it.email} label="Copy the email address" />],
                ['Phone', it.phone && <Copyable key="p" value={it.phone} label="Copy the phone number" />],
                ['Locale', it.locale],
                [
                  'Time zone',
                  it.timezone ? (
                    <LocalTime key="z" zone={it.timezone} />
                  ) : (
                    it.phoneZone && <LocalTime key="z" zone={it.phoneZone} from="by the phone number" />
                  ),
                ],
                ['Created', <When key="c" at={it.createdAt} show="both" />],
                ['Changed', <When key="u" at={it.updatedAt} show="both" />],
              ]}
            />
          </Section>
          <Section title="Attributes">
            {Object.keys(it.attributes).length ? (
              <JsonFacts value={it.attributes} />
            ) : (
              <Text size="sm" c="dimmed">
                None. Attributes are what templates can say about a person, such as a name or a plan.
              </Text>
            )}
          </Section>
        </div>
        <div className={classes.columns}>
          <Section title="Activity">
            <Facts items={activityFacts(it)} />
          </Section>
          <Identities profile={it} />
        </div>
        <Standing externalId={it.externalId} />
        <Devices profile={it} />
        <History externalId={it.externalId} />
      </Stack>
    </>
  );
};

/** Counts with the last time, as Carillon computes them. */
const activityFacts = ({ activity }: Profile): [string, ReactNode][] => {
  const counted = (count: number, last: string | null) => (
    <>
      {whole(count)}
      {last && (
        <Text span c="dimmed" inherit>
          {' · last '}
          <When at={last} />
        </Text>
      )}
    </>
  );
  return [
    ['Events', counted(activity.events, null)],
    ['Messages sent', counted(activity.sent, activity.lastSentAt)],
    ['Opened', counted(activity.opened, activity.lastOpenedAt)],
    ['Clicked', counted(activity.clicked, activity.lastClickedAt)],
    ['First seen', <When key="f" at={activity.firstSeenAt} />],
    ['Last seen', <When key="l" at={activity.lastSeenAt} />],
  ];
};

const LocalTime = ({ zone, from }: { zone: string; from?: string }) => {
  let there = '';
  try {
    there = new Intl.DateTimeFormat('en-GB', { timeZone: zone, hour: '2-digit', minute: '2-digit' }).format(
      new Date(),
    );
  } catch {
    // A zone that this browser does not know: its name alone will do.
  }
  return (
    <>
      {zone}{' '}
      {there && (
        <Text span c="dimmed" inherit>
          ({[`${there} there`, from].filter(Boolean).join(', ')})
        </Text>
      )}
    </>
  );
};

const Devices = ({ profile }: { profile: Profile }) => {
  const mayWrite = useCan('profiles:write');
  const [removing, setRemoving] = useState<Device>();
  const queryClient = useQueryClient();
  return (
    <Section title={`Devices (${profile.devices.length})`} pad={false}>
      {profile.devices.length === 0 ? (
        <Text size="sm" c="dimmed" p="md">
          No device is registered: push messages to this profile end as “no address”.
        </Text>
      ) : (
        <Table.ScrollContainer type="native" minWidth={480}>
          <Table className="grid-table" aria-label="Devices">
            <Table.Thead>
              <Table.Tr>
                <Table.Th scope="col">Platform</Table.Th>
                <Table.Th scope="col">App</Table.Th>
                <Table.Th scope="col">Token</Table.Th>
                <Table.Th scope="col">Last seen</Table.Th>
                <Table.Th scope="col">Registered</Table.Th>
                {mayWrite && <Table.Th aria-label="Actions" />}
              </Table.Tr>
            </Table.Thead>
            <Table.Tbody>
              {profile.devices.map((device) => (
                <Table.Tr key={device.id}>
                  <Table.Td>{platforms[device.platform]}</Table.Td>
                  <Table.Td>{device.app ?? '—'}</Table.Td>
                  <Table.Td>
                    <Tooltip
                      label={device.token}
                      multiline
                      maw={420}
                      styles={{ tooltip: { overflowWrap: 'anywhere' } }}
                    >
                      <span className="mono">
                        {device.token.length > 22 ? `${device.token.slice(0, 20)}…` : device.token}
                      </span>
                    </Tooltip>
                  </Table.Td>
                  <Table.Td>
                    <When at={device.lastSeenAt} />
                  </Table.Td>
                  <Table.Td>
                    <When at={device.createdAt} show="date" />
                  </Table.Td>
                  {mayWrite && (
                    <Table.Td style={{ textAlign: 'right' }}>
                      <ActionIcon
                        variant="subtle"
                        color="gray"
                        aria-label={`Remove this ${platforms[device.platform]} device`}
                        onClick={() => setRemoving(device)}
                      >
                        <IconTrash size={15} />
                      </ActionIcon>
                    </Table.Td>
                  )}
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Table>
        </Table.ScrollContainer>
      )}
      <Confirm
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title="Remove this device?"
        action="Remove the device"
        onConfirm={async () => {
          if (removing) await api.profiles.removeDevice(profile.externalId, removing.id);
          await queryClient.invalidateQueries({ queryKey: ['profiles'] });
        }}
      >
        It gets no more push messages, until the app registers it again.
      </Confirm>
    </Section>
  );
};

const ProfileActions = ({ profile }: { profile: Profile }) => {
  const mayWrite = useCan('profiles:write');
  const [opened, remove] = useDisclosure(false);
  const [merging, merge] = useDisclosure(false);
  const [erasing, erase] = useDisclosure(false);
  const navigate = route.useNavigate();
  const queryClient = useQueryClient();
  const left = async () => {
    queryClient.removeQueries({ queryKey: ['profiles', 'one', profile.externalId] });
    await queryClient.invalidateQueries({ queryKey: ['profiles'] });
    await navigate({ to: '/profiles' });
  };
  return (
    <>
      <Menu position="bottom-end" shadow="md">
        <Menu.Target>
          <Button variant="default" px={9} aria-label="More actions">
            <IconDots size={16} />
          </Button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item
            component="a"
            href={`/v1/profiles/${encodeURIComponent(profile.externalId)}/export`}
            download={`${profile.externalId}.json`}
            leftSection={<IconDownload size={15} />}
          >
            Download all that is kept
          </Menu.Item>
          {mayWrite && (
            <>
              <Menu.Item leftSection={<IconArrowMerge size={15} />} onClick={merge.open}>
                Merge another profile into it
              </Menu.Item>
              <Menu.Divider />
              <Menu.Item color="red" leftSection={<IconTrash size={15} />} onClick={remove.open}>
                Delete profile
              </Menu.Item>
              <Menu.Item color="red" leftSection={<IconEraser size={15} />} onClick={erase.open}>
                Erase person
              </Menu.Item>
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      {merging && <MergeDialog profile={profile} onClose={merge.close} />}
      <Confirm
        opened={opened}
        onClose={remove.close}
        title={`Delete ${profile.externalId}?`}
        action="Delete the profile"
        onConfirm={async () => {
          await api.profiles.delete(profile.externalId);
          await left();
        }}
      >
        The profile, its devices and its events are deleted for good. What was sent stays in the delivery log.
      </Confirm>
      <Confirm
        opened={erasing}
        onClose={erase.close}
        title={`Erase ${profile.externalId} everywhere?`}
        action="Erase the person"
        typed={profile.externalId}
        onConfirm={async () => {
          const { deliveries, messages, addresses } = await api.privacy.erase(profile.externalId);
          await left();
          notifications.show({
            title: 'Erased',
            message: `Messages emptied: ${whole(messages)}. Lines of the log that name nobody now: ${whole(deliveries)}. Addresses of which only a hash is kept: ${whole(addresses)}.`,
          });
        }}
      >
        Profile, names, devices, events and consent go, and what every message to them said. Lines of the
        delivery log stay and name nobody; addresses stay as blocked as they are, by a keyed hash. Nobody can
        bring it back.
      </Confirm>
    </>
  );
};
