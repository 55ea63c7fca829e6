import type { Command } from 'commander';
import type { Context } from './command.js';
export function demo(_root: Command, _context: Context): void {}
