/** The environment as one frozen, validated tree. Called by every service at start. */
export { config, ConfigError, loadConfig, useConfig } from './config.js';
export type { Config, WorkerService } from './config.js';
export { bug, failpoint } from './faults.js';
export { bugs, failpoints } from './fault-names.js';
export type { ArmedFailpoint, Bug, Failpoint, FailpointAction } from './fault-names.js';
export { configurationPage } from './page.js';
export { variables } from './variables.js';
export type { Variable, VariableName } from './variables.js';
