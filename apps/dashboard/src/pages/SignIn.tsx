/** Signing in. Nothing else is reachable without it. */
import { Button, PasswordInput, Stack, Text, TextInput, Title } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useDocumentTitle } from '@mantine/hooks';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { getRouteApi, useRouter } from '@tanstack/react-router';
import { api } from '../api.js';
import { Bell } from '../parts/Bell.js';
import { messageOf } from '../parts/Confirm.js';
import { Notice } from '../parts/Notice.js';
import { meQuery } from '../session.js';
import classes from './SignIn.module.css';

const route = getRouteApi('/sign-in');
/** Only places inside the dashboard: an address given in a link must not lead elsewhere. */
const inside = (next: string | undefined): string => (next && /^\/(?![/\\])/.test(next) ? next : '/');

export const SignIn = () => {
  useDocumentTitle('Sign in · Carillon');
  const { next } = route.useSearch();
  const router = useRouter();
  const queryClient = useQueryClient();
  const form = useForm({
    initialValues: { email: '', password: '' },
    validate: {
      email: (value) => (value.trim() ? null : 'Type your email address.'),
      password: (value) => (value ? null : 'Type your password.'),
    },
  });
  const signIn = useMutation({
    mutationFn: (credentials: { email: string; password: string }) => api.session.signIn(credentials),
    onSuccess: (me) => {
      queryClient.clear();
      queryClient.setQueryData(meQuery.queryKey, me);
      router.history.push(inside(next));
    },
  });
  return (
    <main className={classes.page}>
      <div className={classes.box}>
        <Stack gap={10} align="center" mb={26}>
          <Bell size={46} />
          <Title order={1}>Sign in to Carillon</Title>
        </Stack>
        <form
          onSubmit={form.onSubmit(({ email, password }) => signIn.mutate({ email: email.trim(), password }))}
          noValidate
        >
          <Stack gap="md">
            {next && !signIn.error && (
              <Text size="sm" c="dimmed" ta="center">
                Sign in to go on where you were.
              </Text>
            )}
            {signIn.error && (
              <Notice tone="bad" alert>
                {messageOf(signIn.error)}
              </Notice>
            )}
            <TextInput
              label="Email"
              type="email"
              size="md"
              autoComplete="username"
              autoFocus
              {...form.getInputProps('email')}
            />
            <PasswordInput
              label="Password"
              size="md"
              autoComplete="current-password"
              {...form.getInputProps('password')}
            />
            <Button type="submit" size="md" fullWidth loading={signIn.isPending} mt={4}>
              Sign in
            </Button>
          </Stack>
        </form>
      </div>
      <Text size="xs" c="dimmed" ta="center">
        One log for every message: email, SMS, push and in-app.
      </Text>
    </main>
  );
};
