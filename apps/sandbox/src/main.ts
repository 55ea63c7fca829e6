/** Runs the sandbox alone, on the addresses of the configuration. */
import { config } from '@carillon/config';
import { startSandbox } from './index.js';

const { host, port, smtpPort, url: publicUrl } = config().sandbox;
const sandbox = await startSandbox({ host, port, smtpPort, publicUrl });
console.log(`Sandbox: ${sandbox.url}, SMTP on port ${sandbox.smtpPort}`);
// `disconnect`: the launcher that started this process is gone.
for (const event of ['SIGINT', 'SIGTERM', 'disconnect'] as const)
  // The channel to the launcher would keep the process; nothing that is left matters.
  process.once(event as NodeJS.Signals, () => void sandbox.close().then(() => process.exit(0)));
