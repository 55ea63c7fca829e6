/**
 * One jest over the whole workspace, in ESM mode (every @nestjs/* 12 package is ESM only):
 *   NODE_OPTIONS=--experimental-vm-modules npx jest libs/queue
 * Libraries resolve to their sources by the export condition `@carillon/source`, so no build is needed.
 * `npm test` (tools/test.mjs) adds the database, and names the suites it must leave out.
 */
const swc = (tsx) => ({
  swcrc: false,
  module: { type: 'es6' },
  sourceMaps: 'inline',
  jsc: {
    target: 'es2022',
    parser: { syntax: 'typescript', decorators: true, tsx },
    transform: {
      legacyDecorator: true,
      decoratorMetadata: true,
      useDefineForClassFields: false,
      react: { runtime: 'automatic' },
    },
    keepClassNames: true,
  },
});

export default {
  testEnvironment: 'node',
  testEnvironmentOptions: { customExportConditions: ['@carillon/source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts', '.tsx'],
  transform: { '\\.ts$': ['@swc/jest', swc(false)], '\\.tsx$': ['@swc/jest', swc(true)] },
  // Not `x.json.js`: libphonenumber-js wraps its JSON that way, and the JSON itself cannot be imported.
  moduleNameMapper: { '^(\\.{1,2}/.*)(?<!\\.json)\\.js$': '$1' },
  // Tests wait for what should happen, not for a clock: on a busy machine that may take a while.
  testTimeout: 60_000,
  testMatch: ['<rootDir>/{apps,libs}/**/{src,test}/**/*.spec.{ts,tsx}', '<rootDir>/tools/**/*.spec.mjs'],
  modulePathIgnorePatterns: ['<rootDir>/(apps|libs)/.*/dist/', '<rootDir>/\\.(data|nx)/'],
  reporters: ['default', '<rootDir>/tools/jest-tally.mjs'],
};
