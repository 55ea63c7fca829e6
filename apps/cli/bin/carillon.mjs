#!/usr/bin/env node
/** The door of the CLI: hands arguments and environment to main() and ends with its exit code. Decides nothing. */
import { main } from '../dist/main.js';

process.exitCode = await main(process.argv.slice(2), process.env);
