/** The HTTP door as a process of its own. */
import { runApi } from '@carillon/server';
import { api } from './index.js';

await runApi(api);
