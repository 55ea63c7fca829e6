import { describe, expect, it } from '@jest/globals';
import { contentFindings } from './content-findings.js';

const html = (inside: string) => ({ email: { subject: 's', html: inside } });
describe('what is worth a look before it goes to many', () => {
  it.each([
    ['a short text', { sms: { body: 'Hello {{ profile.attributes.firstName }}' } }, []],
    ['a text of two parts', { sms: { body: 'a'.repeat(161) } }, ['/sms/body sms_parts']],
    ['a short one in UCS-2', { sms: { body: `${'a'.repeat(75)} 🎉` } }, ['/sms/body sms_parts']],
    [
      'links that lead somewhere',
      html(
        '<a href="https://x.example">1</a><a href="mailto:a@x.example">2</a><a class="b" href=\'{{ each.link }}\'>3</a>',
      ),
      [],
    ],
    [
      'links that do not, each once',
      html('<a href="#">1</a><a href="#">2</a><a href="www.x.example">3</a><a href="">4</a>'),
      ['/email/html broken_link', '/email/html broken_link', '/email/html broken_link'],
    ],
  ])('%s', (_, content, expected) => {
    expect(contentFindings(content as never).map(({ pointer, code }) => `${pointer} ${code}`)).toEqual(
      expected,
    );
  });
  it('says how many parts, and which letters make them so', () => {
    expect(contentFindings({ sms: { body: `${'a'.repeat(75)} 🎉` } })[0]?.message).toBe(
      'The text takes about 2 parts, so each person costs 2 messages; without 🎉 more would fit into one.',
    );
  });
});
