export { freshDatabase, type FreshDatabase } from './postgres.js';
