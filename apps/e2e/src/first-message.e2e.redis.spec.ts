import { startRedis } from '@carillon/testing';
import { describeFirstMessage } from './first-message.suite.js';

describeFirstMessage('queues in Redis', async () => {
  const redis = await startRedis();
  return { env: { QUEUE_URL: redis.url }, close: () => redis.stop() };
});
