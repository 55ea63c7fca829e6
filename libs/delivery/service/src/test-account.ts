/** Tries an account: its credentials alone, or one message to an address. Called by the accounts' controller. */
import { idsByExternalId } from '@carillon/audience-service';
import { normalizeEmail, normalizePhone } from '@carillon/audience-rules';
import { reasons, type Channel, type ContentByChannel } from '@carillon/contracts';
import { newId, type Database } from '@carillon/database';
import type { Outcome, Provider } from '@carillon/delivery-rules';
import { ProblemException } from '@carillon/server';
import type { AccountRow } from './accounts.js';
import { fieldsOf } from './account-settings.js';
import { channelShapes } from './channels.js';
import { nobody } from './show-content.js';
import { openSettings } from './sending-accounts.js';
import type { SendContexts } from './send-contexts.js';

const DEADLINE_MS = 20_000;
const greeting = 'This message was sent to try a provider account.';
const contents: Record<Channel, ContentByChannel> = {
  email: { email: { subject: 'A test from Carillon', text: greeting } },
  sms: { sms: { body: greeting } },
  push: { push: { title: 'A test from Carillon', body: greeting } },
  'in-app': { 'in-app': { title: 'A test from Carillon', body: greeting } },
};

export interface TestResult {
  ok: boolean;
  sentence: string;
}

/**
 * @param to address to write to; left out, only the credentials are tried. It stands in no log: nothing is accepted
 * @throws ProblemException `invalid_request` when `to` is no address of the channel
 */
export async function testAccount(
  database: Database,
  contexts: SendContexts,
  provider: Provider,
  row: AccountRow,
  to: string | undefined,
): Promise<TestResult> {
  const account = {
    ...row,
    domainQuotas: null,
    paused: false,
    blockedMs: 0,
    troubled: false,
    settings: openSettings(row, row.secrets),
    operatorEndpoint: typeof row.settings['endpoint'] === 'string',
  };
  const context = contexts.for(account, AbortSignal.timeout(DEADLINE_MS));
  if (to === undefined) {
    if (provider.test) return provider.test(context);
    const secrets = [...fieldsOf(provider).values()].some(({ secret }) => secret);
    return secrets
      ? { ok: false, sentence: 'This provider can only be tried by a message: give an address in `to`.' }
      : { ok: true, sentence: 'There are no credentials to try: give an address in `to` to send a message.' };
  }
  const address = await addressOf(database, row, to);
  const channel = channelShapes[row.channel];
  const rendered = channel.render({
    content: contents[row.channel],
    cacheKey: `account test ${row.channel}`,
    data: {},
    recipient: nobody,
    messageClass: 'transactional',
    replyTo: null,
    attachments: [],
    unsubscribeUrl: '',
  });
  if (!rendered.ok) throw new Error(`the test message cannot be rendered: ${rendered.detail}`);
  const id = newId();
  const [outcome] = await provider.send(
    [{ deliveryId: id, attemptId: id, address, messageClass: 'transactional', rendered: rendered.rendered }],
    context,
  );
  if (!outcome) throw new Error(`the provider ${provider.name} gave no outcome`);
  return toResult(outcome);
}

async function addressOf(database: Database, row: AccountRow, to: string): Promise<string> {
  const refuse = (message: string): never => {
    throw new ProblemException('invalid_request', `The body is not valid: /to: ${message}`, {
      errors: [{ pointer: '/to', code: 'invalid_address', message }],
    });
  };
  switch (row.channel) {
    case 'email': {
      const email = normalizeEmail(to);
      return email.ok ? email.value : refuse(email.sentence);
    }
    case 'sms': {
      const phone = normalizePhone(to);
      return phone.ok ? phone.value : refuse(phone.sentence);
    }
    case 'push':
      return to;
    case 'in-app': {
      const ids = await database.inWorkspace(row.workspaceId, (sql) =>
        idsByExternalId(sql, row.workspaceId, [to]),
      );
      return ids.get(to) ?? refuse('there is no such profile: write the external id of one');
    }
  }
}

function toResult(outcome: Outcome): TestResult {
  const { code, message } = outcome.answer;
  const said = [code, message].filter((word) => word !== undefined).join(' ');
  const words = said ? ` It said: ${said}` : '';
  switch (outcome.kind) {
    case 'accepted':
      return { ok: true, sentence: 'The provider took the message.' };
    case 'rejected':
      return { ok: false, sentence: `${reasons[outcome.reason].sentence}${words}` };
    case 'misconfigured':
      return { ok: false, sentence: `The provider refuses the credentials or settings.${words}` };
    case 'rateLimited':
      return { ok: false, sentence: `The provider asks to slow down.${words}` };
    case 'deferred':
      return { ok: false, sentence: `The provider did not take the message now.${words}` };
    case 'unknown':
      return { ok: false, sentence: `The provider did not answer: the message may have been sent.${words}` };
  }
}
