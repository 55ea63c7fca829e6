/** What a page shows when it has nothing, is still loading, or something went wrong: always with a way on. */
import { Box, Button, Code, Group, Skeleton, Stack, Text, Title } from '@mantine/core';
import {
  IconAlertTriangle,
  IconCloudOff,
  IconLock,
  IconMapPinOff,
  IconRefresh,
  type Icon,
} from '@tabler/icons-react';
import { useRouter, type ErrorComponentProps } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { ApiProblem, ConnectionError, TimeoutError } from '../api.js';
import { TextLink } from './links.js';

interface EmptyProps {
  icon: Icon;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
}
export const Empty = ({ icon: EmptyIcon, title, children, action }: EmptyProps) => (
  <Stack align="center" gap={6} py={56} px="md" ta="center">
    <Box
      mb={8}
      p={12}
      style={{
        borderRadius: 12,
        background: 'var(--surface-hover)',
        border: '1px solid var(--line)',
        lineHeight: 0,
      }}
    >
      <EmptyIcon size={24} stroke={1.5} color="var(--ink-soft)" aria-hidden />
    </Box>
    <Title order={2}>{title}</Title>
    {children && (
      <Text c="dimmed" maw={460} component="div">
        {children}
      </Text>
    )}
    {action && <Group mt="md">{action}</Group>}
  </Stack>
);

interface Told {
  title: string;
  detail: string;
  icon: Icon;
}
/** What happened and what to do, for each kind of failure. */
const tell = (error: unknown): Told => {
  if (error instanceof ConnectionError || error instanceof TimeoutError)
    return {
      title: 'The server cannot be reached',
      detail: 'No answer came in time. Check that it runs and that you are online, then try again.',
      icon: IconCloudOff,
    };
  if (!(error instanceof ApiProblem))
    return {
      title: 'This page ran into an error',
      detail: error instanceof Error ? error.message : String(error),
      icon: IconAlertTriangle,
    };
  const told = (title: string, advice: string, icon: Icon): Told => ({
    title,
    detail: `${error.detail} ${advice}`.trim(),
    icon,
  });
  switch (error.code) {
    case 'forbidden':
      return told('You may not see this', 'Ask an owner of this workspace for the role that may.', IconLock);
    case 'unauthenticated':
      return told('You are not signed in', 'Sign in again.', IconLock);
    case 'not_found':
      return told(
        'There is no such thing',
        'It may have been deleted, or it belongs to another workspace.',
        IconMapPinOff,
      );
    case 'rate_limited':
      return told('Too many requests', 'Wait a moment, then try again.', IconCloudOff);
    case 'unavailable':
      return told('Not available right now', 'Try again in a moment.', IconCloudOff);
    case 'internal':
      return told(
        'Something went wrong on the server',
        'Try again; if it stays, give the request id below to whoever runs this server.',
        IconAlertTriangle,
      );
    case 'unexpected_answer':
      return told('This was not answered by Carillon', '', IconAlertTriangle);
    default:
      return told('That did not work', '', IconAlertTriangle);
  }
};

/** An answer that was not the hoped-for one: what happened, what to do, and a button to try again. */
export const Failure = ({ error, retry, small }: { error: unknown; retry?: () => void; small?: boolean }) => {
  const { title, detail, icon: FailureIcon } = tell(error);
  const requestId = error instanceof ApiProblem ? error.requestId : undefined;
  return (
    <Stack role="alert" align="center" gap={6} py={small ? 24 : 56} px="md" ta="center">
      <FailureIcon size={26} stroke={1.5} color="var(--status-failed)" aria-hidden />
      <Title order={2} size={small ? 'h3' : 'h2'}>
        {title}
      </Title>
      <Text c="dimmed" maw={480}>
        {detail}
      </Text>
      {requestId && (
        <Text size="xs" c="dimmed">
          Request id <Code>{requestId}</Code>
        </Text>
      )}
      {retry && (
        <Button mt="sm" variant="default" leftSection={<IconRefresh size={15} />} onClick={retry}>
          Try again
        </Button>
      )}
    </Stack>
  );
};

export const PageFailed = ({ error, reset }: ErrorComponentProps) => {
  const router = useRouter();
  return (
    <Box component="main" py="xl">
      <Failure
        error={error}
        retry={() => {
          reset();
          void router.invalidate();
        }}
      />
    </Box>
  );
};
export const PageMissing = () => (
  <Box component="main" py="xl">
    <Empty
      icon={IconMapPinOff}
      title="There is no such page"
      action={<TextLink to="/">Go to the home page</TextLink>}
    >
      The address may be misspelt, or the page has moved.
    </Empty>
  </Box>
);
export const PagePending = () => (
  <Stack gap="lg" aria-busy="true" aria-label="Loading">
    <Skeleton h={28} w={220} />
    <Skeleton h={120} />
    <Skeleton h={280} />
  </Stack>
);
/** Rows of a list that is still on its way. */
export const RowsPending = ({ rows = 8 }: { rows?: number }) => (
  <Stack gap={0} aria-busy="true" aria-label="Loading" className="rows">
    {Array.from({ length: rows }, (_, row) => (
      <Group key={row} px="md" py={13} gap="xl" wrap="nowrap">
        <Skeleton h={12} w={90} />
        <Skeleton h={12} w={70} />
        <Skeleton h={12} style={{ flex: 1 }} maw={180 + ((row * 67) % 160)} />
        <Skeleton h={12} w={110} ml="auto" />
      </Group>
    ))}
  </Stack>
);
