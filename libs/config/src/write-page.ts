/** `npm run docs -w @carillon/config`: writes docs/configuration.md. */
import { writeFileSync } from 'node:fs';
import { configurationPage } from './page.js';

writeFileSync(new URL('../../../docs/configuration.md', import.meta.url), configurationPage());
