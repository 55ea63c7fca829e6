/** The HTTP door as a process of its own. */
import { runApi } from '@carillon/server';
import { api, apiWorkers } from './index.js';

await runApi({ ...api, modules: [...api.modules, ...apiWorkers] });
