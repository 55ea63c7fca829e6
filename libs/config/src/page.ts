/** Makes docs/configuration.md from the table of variables. Pure; `write-page.ts` writes it, a spec compares it. */
import { groups, variables } from './variables.js';

/** The whole page as Markdown. */
export function configurationPage(): string {
  const sections = groups.map((group) => {
    const rows = variables
      .filter((v) => v.group === group)
      .map((v) => `| \`${v.name}\`${v.secret ? ' 🔒' : ''} | ${v.standard || '—'} | ${v.meaning} |`);
    return `## ${group}\n\n| Variable | Default | Meaning |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
  });
  return `# Configuration

<!-- Made from libs/config/src/variables.ts by \`npm run docs -w @carillon/config\`. Do not edit. -->
<!-- prettier-ignore-start -->

Everything is set by environment variables, and nothing needs to be: \`npm start\` runs without any.
A process reads them once at start; a bad value stops it with a sentence per variable.
Credentials of providers (SMTP, Twilio, Firebase …) are not variables: they are provider accounts, kept encrypted in the database.

🔒 marks a secret. It may also come from a file: \`CARILLON_MASTER_KEY_FILE=/run/secrets/master-key\`.
It is never printed or logged.

With \`NODE_ENV=production\` a process does not start when a key is missing or not random, the database password is absent
or a default one, logs would be on \`debug\`, or TLS checks are switched off.

The dashboard signs people in with a cookie that browsers send over https only (\`__Host-\`, \`Secure\`). Chromium and Firefox
treat \`http://localhost\` and \`http://127.0.0.1\` as secure; Safari does not, so use another browser there, or https.

${sections.join('\n')}
<!-- prettier-ignore-end -->
`;
}
