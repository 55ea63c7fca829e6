/** Who is signed in: light or dark, password, shortcuts, sign out. */
import {
  Avatar,
  Button,
  Group,
  Menu,
  Modal,
  PasswordInput,
  SegmentedControl,
  Stack,
  Text,
  UnstyledButton,
  useMantineColorScheme,
} from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDisclosure } from '@mantine/hooks';
import { notifications } from '@mantine/notifications';
import {
  IconDeviceDesktop,
  IconKeyboard,
  IconLock,
  IconLogout,
  IconMoon,
  IconSelector,
  IconSun,
} from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { api, ApiProblem } from '../api.js';
import { messageOf } from '../parts/Confirm.js';
import { useMe } from '../session.js';
import { roleLabels } from '../words.js';
import classes from './Shell.module.css';

const schemes = [
  { value: 'auto', label: 'Auto', icon: IconDeviceDesktop },
  { value: 'light', label: 'Light', icon: IconSun },
  { value: 'dark', label: 'Dark', icon: IconMoon },
] as const;

export const AccountMenu = ({ onHelp }: { onHelp: () => void }) => {
  const { user } = useMe();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [passwordOpened, password] = useDisclosure(false);
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const signOut = useMutation({
    mutationFn: () => api.session.signOut(),
    onSettled: async () => {
      queryClient.clear();
      await navigate({ to: '/sign-in' });
    },
  });
  const name = user?.name || user?.email || 'API key';
  return (
    <>
      <Menu position="top-start" width={230} shadow="md">
        <Menu.Target>
          <UnstyledButton className={classes.account} aria-label={`Account of ${name}`}>
            <Avatar size={28} radius="xl" name={name} color="bronze" aria-hidden />
            <span style={{ minWidth: 0, flex: 1 }}>
              <Text size="sm" fw={500} className="clip" lh={1.25}>
                {name}
              </Text>
              <Text size="xs" c="dimmed" lh={1.25}>
                {user ? roleLabels[user.role] : 'API key'}
              </Text>
            </span>
            <IconSelector size={15} color="var(--ink-soft)" aria-hidden />
          </UnstyledButton>
        </Menu.Target>
        <Menu.Dropdown>
          {user && <Menu.Label className="clip">{user.email}</Menu.Label>}
          <SegmentedControl
            fullWidth
            size="xs"
            mx={6}
            mb={6}
            style={{ display: 'flex' }}
            aria-label="Light or dark"
            value={colorScheme}
            onChange={(value) => setColorScheme(value as typeof colorScheme)}
            data={schemes.map(({ value, label, icon: SchemeIcon }) => ({
              value,
              label: (
                <Group gap={4} justify="center" wrap="nowrap">
                  <SchemeIcon size={13} aria-hidden />
                  {label}
                </Group>
              ),
            }))}
          />
          <Menu.Divider />
          <Menu.Item
            leftSection={<IconKeyboard size={15} />}
            onClick={onHelp}
            rightSection={
              <Text size="xs" c="dimmed">
                ?
              </Text>
            }
          >
            Keyboard shortcuts
          </Menu.Item>
          {user && (
            <Menu.Item leftSection={<IconLock size={15} />} onClick={password.open}>
              Change password
            </Menu.Item>
          )}
          <Menu.Item leftSection={<IconLogout size={15} />} onClick={() => signOut.mutate()}>
            Sign out
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <Modal opened={passwordOpened} onClose={password.close} title={<Text fw={600}>Change password</Text>}>
        <ChangePassword onDone={password.close} />
      </Modal>
    </>
  );
};

const ChangePassword = ({ onDone }: { onDone: () => void }) => {
  const form = useForm({
    initialValues: { current: '', next: '', again: '' },
    validate: {
      current: (value) => (value ? null : 'Type your current password.'),
      next: (value) =>
        value.length >= 12 ? null : 'Use at least 12 characters. A few words in a row are good.',
      again: (value, all) => (value === all.next ? null : 'This differs from the new password above.'),
    },
  });
  const change = useMutation({
    mutationFn: ({ current, next }: { current: string; next: string }) =>
      api.session.changePassword({ current, next }),
    onSuccess: () => {
      notifications.show({ message: 'Password changed. All other sessions have ended.' });
      onDone();
    },
  });
  return (
    <form onSubmit={form.onSubmit((values) => change.mutate(values))}>
      <Stack gap="sm">
        <PasswordInput
          label="Current password"
          autoComplete="current-password"
          data-autofocus
          {...form.getInputProps('current')}
        />
        <PasswordInput
          label="New password"
          description="At least 12 characters."
          autoComplete="new-password"
          {...form.getInputProps('next')}
        />
        <PasswordInput
          label="New password, again"
          autoComplete="new-password"
          {...form.getInputProps('again')}
        />
        {change.error && (
          <Text role="alert" size="sm" c="var(--status-failed)">
            {change.error instanceof ApiProblem && change.error.code === 'unauthenticated'
              ? 'The current password is not right.'
              : messageOf(change.error)}
          </Text>
        )}
        <Text size="xs" c="dimmed">
          This ends every other session of yours.
        </Text>
        <Group justify="flex-end">
          <Button variant="default" onClick={onDone}>
            Close
          </Button>
          <Button type="submit" loading={change.isPending}>
            Change password
          </Button>
        </Group>
      </Stack>
    </form>
  );
};
