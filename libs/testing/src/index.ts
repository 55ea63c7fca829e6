export { freshDatabase, type FreshDatabase } from './postgres.js';
export { describeProvider, type ProviderFixtures } from './describe-provider.js';
export { freePort } from './free-port.js';
export { eventually } from './eventually.js';
export { lineTo, type Line } from './line.js';
export { sendContext, type TestContext } from './send-context.js';
export { startRedis, type RunningRedis } from './redis.js';
