#!/usr/bin/env node
/** The door of the CLI: hands arguments and environment to main() and ends with its exit code. Decides nothing. */
import { main } from '../dist/main.js';

// `carillon deliveries list | head` closes the pipe early: that is no failure.
process.stdout.on('error', (error) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

process.exitCode = await main(process.argv.slice(2), process.env);
