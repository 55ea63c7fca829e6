/**
 * What a person answers by SMS. A keyword is the whole text, whatever its case, blanks and signs; of the words that stop,
 * also the first word of a longer text, because who writes "stop please" means it. The usual words always count; a
 * workspace adds its own. What a keyword says holds before the answer to the provider leaves.
 */
import { normalizePhone } from '@carillon/audience-rules';
import type { ConsentPolicy } from '@carillon/contracts';
import type { Sql } from '@carillon/database';
import { recordConsents } from './consent.js';
import { readConsentPolicy } from './consent-policy.js';

export type KeywordClass = 'stop' | 'start' | 'help';

/** Those that Twilio and the carriers act on: https://help.twilio.com/articles/223134027 */
const usual: Record<KeywordClass, readonly string[]> = {
  stop: ['STOP', 'STOPALL', 'UNSUBSCRIBE', 'CANCEL', 'END', 'QUIT', 'REVOKE', 'OPTOUT', 'ARRET', 'ARRÊT'],
  start: ['START', 'YES', 'UNSTOP'],
  help: ['HELP', 'INFO'],
};
/** Words that mean nothing else at the beginning of a text; END, CANCEL or QUIT may begin an ordinary sentence. */
const unmistakable = new Set(['STOP', 'STOPALL', 'UNSUBSCRIBE', 'OPTOUT', 'ARRET', 'ARRÊT']);

/** @returns null for a text that is no keyword */
export function keywordOf(text: string, more: Pick<ConsentPolicy['sms'], KeywordClass>): KeywordClass | null {
  const words =
    text
      .normalize('NFKC')
      .toUpperCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  const whole = words.join('');
  for (const kind of ['stop', 'start', 'help'] as const) {
    const all = [
      ...usual[kind],
      ...more[kind].map((word) => word.toUpperCase().replace(/[^\p{L}\p{N}]/gu, '')),
    ];
    if (all.includes(whole)) return kind;
  }
  return words[0] !== undefined && unmistakable.has(words[0]) ? 'stop' : null;
}

/**
 * Takes what a person wrote. Writing it again changes nothing.
 * @param said what the provider has understood already, if it says so; then it has answered too
 * @returns the class, and what is to be answered
 */
export async function takeInboundSms(
  sql: Sql,
  workspaceId: string,
  message: { from: string; text: string; said: KeywordClass | null },
): Promise<{ keyword: KeywordClass | null; reply: string | null }> {
  const from = normalizePhone(message.from);
  if (!from.ok) return { keyword: null, reply: null };
  const { sms } = await readConsentPolicy(sql, workspaceId);
  const keyword = message.said ?? keywordOf(message.text, sms);
  if (keyword === 'stop' || keyword === 'start')
    await recordConsents(sql, workspaceId, [
      {
        channel: 'sms',
        address: from.value,
        profileId: null,
        // A word to the sender, not about a topic: it stops what is transactional as well.
        topic: '',
        word: keyword === 'stop' ? 'out' : 'in',
        source: 'keyword',
      },
    ]);
  return { keyword, reply: keyword === null || message.said !== null ? null : sms.replies[keyword] };
}
