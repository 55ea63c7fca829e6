/** The mail that is measured: HTML as newsletters are laid out, 99 values, a condition and a loop; some 35 kB on the wire. */

const PARAGRAPH =
  'Für alle, die Tee mögen: frisch gepflückt, sorgsam getrocknet und in 48 Stunden bei Ihnen. ';
const product = (
  n,
) => `<div style="margin:0px auto;max-width:600px;background:#ffffff;background-color:#ffffff">
<table align="center" border="0" cellpadding="0" cellspacing="0" role="presentation" style="background:#ffffff;background-color:#ffffff;width:100%">
<tbody><tr><td style="direction:ltr;font-size:0px;padding:20px 0;text-align:center">
<div class="mj-column-per-100 mj-outlook-group-fix" style="font-size:0px;text-align:left;direction:ltr;display:inline-block;vertical-align:top;width:100%">
<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="border-collapse:collapse;background:#ffffff">
  <tr><td style="padding:12px 24px;font-family:Ubuntu,Helvetica,Arial,sans-serif;font-size:16px;line-height:24px;color:#1f2937">
    <p style="margin:0 0 8px">${PARAGRAPH}</p>
    <p style="margin:0 0 8px"><b>{{ product${n}.name }}</b> for {{ profile.firstName }}: {{ product${n}.price }}</p>
    <a href="{{ product${n}.url }}" style="background:#0f766e;color:#ffffff;padding:10px 18px;border-radius:6px">Have a look</a>
  </td></tr>
</table></div></td></tr></tbody></table></div>
`;
const OUTLOOK = `<!--[if mso | IE]><table align="center" border="0" cellpadding="0" cellspacing="0" role="presentation" style="width:600px" width="600"><tr>
<td style="line-height:0px;font-size:0px;mso-line-height-rule:exactly"><v:rect style="width:600px;mso-width-percent:1000" xmlns:v="urn:schemas-microsoft-com:vml" fill="true" stroke="false"></v:rect></td></tr></table><![endif]-->
`;

/** @param {string} between what stands before each product */
const mail = (
  between,
) => `<!doctype html><html lang="de"><head><meta charset="utf-8"><title>News</title></head><body style="margin:0">
<p>Hello {{ profile.firstName }},</p>
${Array.from({ length: 22 }, (_, n) => between + product(n)).join('')}
{% if vip %}<p>As one of our best customers, {{ profile.firstName }} …</p>{% endif %}
{% for row in rows %}<p>{{ forloop.index }}. {{ row.name }}</p>{% endfor %}
<p>{{ profile.firstName }}, this is for you and for <b>{{ profile.firstName }}</b> alone.</p>
<p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>`;
export const html = mail('');
/** The same, of 34 kB before it is encoded for the wire. */
export const longHtml = mail(OUTLOOK);

/** @param {number} n so that no two are alike */
export const input = (n) => ({
  content: { email: { subject: 'News for {{ profile.firstName }}', html } },
  data: {
    vip: n % 2 === 0,
    rows: [1, 2, 3].map((row) => ({ name: `Kräutertee ${row}` })),
    ...Object.fromEntries(
      Array.from({ length: 22 }, (_, p) => [
        `product${p}`,
        {
          name: `Tea no. ${p} & a cup`,
          price: '12,90 €',
          url: `https://shop.example.com/p/${p}?u=${n}&c=news`,
        },
      ]),
    ),
  },
  recipient: {
    ...{
      profileId: null,
      externalId: `u${n}`,
      email: `u${n}@example.com`,
      phone: null,
      locale: 'de',
      timezone: null,
      devices: [],
    },
    attributes: { firstName: n % 3 === 0 ? 'Zoë' : 'Ada' },
  },
  messageClass: 'marketing',
  replyTo: null,
  attachments: [],
  cacheKey: 'bench',
  unsubscribeUrl: `https://mail.example.com/u/${n}.abcdefghijklmnop`,
});
