import { describe, expect, it } from '@jest/globals';
import { judgeHit, LINKS_AT_ONCE, TOO_SOON_MS, type Hit, type Judgement } from './engagement.js';

const firefox = 'Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0';
const iphone =
  'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1';
const outlook =
  'Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; .NET4.0C; Microsoft Outlook 16.0.17928; ms-office)';
const gmail = 'Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)';
const hit: Hit = {
  kind: 'click',
  method: 'GET',
  agent: firefox,
  purpose: '',
  sinceSentMs: 60_000,
  linksAtOnce: 1,
};

describe('who it was', () => {
  it.each<[string, Partial<Hit>, Judgement['why']]>([
    ['a browser', {}, 'person'],
    ['a telephone', { agent: iphone }, 'person'],
    ['a mail program shows the picture', { kind: 'open', agent: outlook }, 'person'],
    ['a receipt that has not come', { sinceSentMs: null }, 'person'],
    ['just late enough', { sinceSentMs: TOO_SOON_MS }, 'person'],
    ['two links', { linksAtOnce: LINKS_AT_ONCE - 1 }, 'person'],
    ['Gmail shows the mail', { kind: 'open', agent: gmail }, 'picture_proxy'],
    ['Gmail shows it at once', { kind: 'open', agent: gmail, sinceSentMs: 500 }, 'picture_proxy'],
    [
      'Yahoo shows the mail',
      { kind: 'open', agent: 'YahooMailProxy; https://help.yahoo.com/kb/x.html' },
      'picture_proxy',
    ],
    ['Apple loads it beforehand', { kind: 'open', agent: 'Mozilla/5.0' }, 'loads_beforehand'],
    ['an Apple device in full', { kind: 'open', agent: iphone }, 'person'],
    ['HEAD', { method: 'HEAD' }, 'asks_for_headers'],
    ['a browser that guesses', { purpose: 'prefetch;prerender' }, 'prefetch'],
    ['no agent', { agent: ' ' }, 'no_agent'],
    ['curl', { agent: 'curl/8.5.0' }, 'known_machine'],
    ['Python', { agent: 'python-requests/2.32.3' }, 'known_machine'],
    [
      'a preview of a chat',
      { agent: 'Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)' },
      'known_machine',
    ],
    ['Barracuda', { agent: 'Mozilla/5.0 (compatible; BarracudaCentral)' }, 'known_machine'],
    ['Mimecast', { agent: 'Mozilla/5.0 Mimecast URL Protect' }, 'known_machine'],
    ['too soon for eyes', { sinceSentMs: TOO_SOON_MS - 1 }, 'too_soon'],
    ['a clock that is behind', { sinceSentMs: -5_000 }, 'too_soon'],
    ['opened as it arrives', { kind: 'open', sinceSentMs: 800 }, 'too_soon'],
    ['all links of the mail', { linksAtOnce: LINKS_AT_ONCE }, 'all_links_at_once'],
  ])('%s: %s', (_, more, why) => {
    const { by, why: said } = judgeHit({ ...hit, ...more });
    expect(said).toBe(why);
    expect(by).toBe(why === 'person' ? 'person' : why === 'picture_proxy' ? 'proxy' : 'machine');
  });
});
