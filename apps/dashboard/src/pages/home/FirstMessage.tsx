/** What the home page shows before the first message: three steps and the line that sends it. */
import { Code, Group, Loader, Stack, Tabs, Text, Title } from '@mantine/core';
import { Copy } from '../../parts/Facts.js';
import { TextLink } from '../../parts/links.js';
import { useCan } from '../../session.js';
import classes from './Home.module.css';

const samples = (origin: string) => ({
  curl: `curl ${origin}/v1/messages \\
  -H "Authorization: Bearer $CARILLON_API_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{
    "to": { "email": "ada@example.com" },
    "channels": ["email"],
    "content": { "email": {
      "subject": "Hello from Carillon",
      "text": "The bell rings." } }
  }'`,
  CLI: `carillon send --to ada@example.com \\
  --subject "Hello from Carillon" \\
  --text "The bell rings."`,
  TypeScript: `import { Carillon } from '@carillon/sdk';

const carillon = new Carillon({ apiKey });
await carillon.messages.send({
  to: { email: 'ada@example.com' },
  channels: ['email'],
  content: {
    email: { subject: 'Hello from Carillon', text: 'The bell rings.' },
  },
});`,
});

export const FirstMessage = () => {
  const code = samples(location.origin);
  const mayMakeKeys = useCan('keys:write');
  return (
    <section className={`card ${classes.start}`}>
      <Stack gap="lg" justify="center">
        <div>
          <Title order={2} fz="h1">
            Send your first message
          </Title>
          <Text c="dimmed" mt={6}>
            Nothing has been sent from this workspace yet. It takes one request.
          </Text>
        </div>
        <ol className={classes.steps}>
          <li>
            <span>
              Create an <TextLink to="/keys">API key</TextLink> and keep it as <Code>CARILLON_API_KEY</Code>.
            </span>
          </li>
          <li>
            <span>
              Look at the <TextLink to="/accounts">provider accounts</TextLink>. In development each channel
              has one that leads to the sandbox: nothing leaves this machine.
            </span>
          </li>
          <li>
            <span>Run the request. This page changes by itself when it arrives.</span>
          </li>
        </ol>
        <Group gap={8} c="dimmed">
          <Loader size={14} type="dots" color="gray" aria-hidden />
          <Text size="sm" role="status">
            Waiting for the first message
          </Text>
        </Group>
      </Stack>
      <Tabs defaultValue="curl" style={{ minWidth: 0 }}>
        <Tabs.List mb="sm">
          {Object.keys(code).map((name) => (
            <Tabs.Tab key={name} value={name}>
              {name}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        {Object.entries(code).map(([name, text]) => (
          <Tabs.Panel key={name} value={name}>
            <div className={classes.code}>
              <pre tabIndex={0} aria-label={`${name} example`}>
                {text}
              </pre>
              <span>
                <Copy value={text} label="Copy" />
              </span>
            </div>
          </Tabs.Panel>
        ))}
      </Tabs>
    </section>
  );
};
