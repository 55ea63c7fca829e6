import { describe, expect, it } from '@jest/globals';
import { linksIn, trackedSource, withUtm } from './tracking.js';

const url = 'https://m.example.com';
const all = { url, opens: true, clicks: true };
const hrefs = (source: string) => linksIn(source).map((link) => link.href);

describe('which links are counted', () => {
  it.each<[string, string, string[]]>([
    ['a whole address', '<a href="https://shop.example/a">A</a>', ['https://shop.example/a']],
    [
      'entities are decoded',
      '<a href="https://s.example/?a=1&amp;b=2">A</a>',
      ['https://s.example/?a=1&b=2'],
    ],
    ['single quotes', "<a class=x href='https://s.example/'>A</a>", ['https://s.example/']],
    ['no quotes', '<a href=https://s.example/>A</a>', ['https://s.example/']],
    ['a map', '<map><area href="https://s.example/"></map>', ['https://s.example/']],
    [
      'a value of the data',
      '<a href="https://s.example/{{ order.id }}">A</a>',
      ['https://s.example/{{ order.id }}'],
    ],
    ['a whole address of the data', '<a href="{{ link }}">A</a>', ['{{ link }}']],
    ['one that wants none', '<a data-track="off" href="https://s.example/">A</a>', []],
    ['mailto', '<a href="mailto:a@example.com">A</a>', []],
    ['a place in the mail', '<a href="#top">A</a>', []],
    ['an address with a user', '<a href="https://a:b@s.example/">A</a>', []],
    ['unsubscribe', '<a href="{{ unsubscribe_url }}">A</a>', []],
    ['preferences', '<a href="{{ preferences_url }}">A</a>', []],
    ['the page', '<a href="{{ view_url }}">A</a>', []],
    ['a loop', '{% for item in items %}<a href="{{ item.url }}">A</a>{% endfor %}', []],
    ['an assignment', '{% assign to = "https://s.example" %}<a href="{{ to }}">A</a>', []],
    ['tags inside', '<a href="https://s.example/{% if a %}b{% endif %}">A</a>', []],
    ['quotes inside', '<a href="{{ link | default: "https://s.example" }}">A</a>', []],
    ['styles', '<link href="https://s.example/a.css" rel="stylesheet">', []],
    ['comments', '<!-- <a href="https://s.example/">A</a> -->', []],
  ])('%s', (_, source, wanted) => {
    expect(hrefs(source)).toEqual(wanted);
    if (wanted.length === 0) expect(trackedSource(source, { ...all, opens: false }).html).toBe(source);
  });

  it('keeps the id of an address, whatever stands around it, and tells named ones apart', () => {
    const [a] = linksIn('<a href="https://s.example/">Kaufen</a>');
    const [b, c, ...none] = linksIn(
      '<p><a href="https://s.example/">Buy <b>now</b></a><a href="https://s.example/">again</a><a data-link="foot" href="https://s.example/">x</a>',
    );
    expect(a?.id).toMatch(/^[\w-]{8}$/);
    expect(b?.id).toBe(a?.id);
    expect(c?.id).not.toBe(a?.id);
    expect(c?.label).toBe('foot x');
    expect(none).toEqual([]);
  });
});

describe('the source with marks', () => {
  it('holds the token and the id, and where it leads nowhere', () => {
    const { html } = trackedSource(
      '<body><a class="x" href="https://s.example/a?b=1">A</a><a href="#top">B</a></BODY>',
      all,
    );
    const [link] = linksIn('<a href="https://s.example/a?b=1">A</a>');
    expect(html).toContain(
      `<a class="x" href="${url}/l/{{ __token }}/${link?.id}">A</a><a href="#top">B</a><img src="${url}/o/{{ __token }}"`,
    );
    expect(html.endsWith('</BODY>')).toBe(true);
    expect(html).not.toContain('s.example');
  });

  it('opens and clicks are asked for apart', () => {
    const source = '<a href="https://s.example/">A</a>';
    expect(trackedSource(source, { ...all, clicks: false }).html).toMatch(
      /^<a href="https:\/\/s.example\/">A<\/a><img /,
    );
    expect(trackedSource(source, { ...all, opens: false }).html).not.toContain('<img');
    expect(trackedSource(source, { url, opens: false, clicks: false }).html).toBe(source);
  });

  it('writes UTM parameters where nothing is counted', () => {
    const { html } = trackedSource(
      '<a href="https://s.example/?a=1&amp;utm_source=own#x">A</a><a href="{{ l }}">B</a>',
      {
        url,
        opens: false,
        clicks: false,
        utm: { source: 'news', campaign: 'May & June' },
      },
    );
    expect(html).toBe(
      '<a href="https://s.example/?a=1&amp;utm_source=own&amp;utm_campaign=May+%26+June#x">A</a><a href="{{ l }}">B</a>',
    );
    expect(withUtm('https://s.example', { medium: 'email' })).toBe('https://s.example/?utm_medium=email');
  });
});
