import { describeFirstMessage } from './first-message.suite.js';

describeFirstMessage('queues in PostgreSQL', async () => ({ env: {}, close: async () => undefined }));
