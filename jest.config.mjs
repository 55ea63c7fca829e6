/** ESM mode: node --experimental-vm-modules, because every @nestjs/* 12 package is ESM-only. */
export default {
  testEnvironment: 'node',
  reporters: ['default', new URL('./tools/jest-tally.mjs', import.meta.url).pathname],
  extensionsToTreatAsEsm: ['.ts'],
  transform: { '^.+\\.ts$': ['@swc/jest', { swcrc: false, module: { type: 'es6' }, sourceMaps: 'inline', jsc: { target: 'es2022', parser: { syntax: 'typescript', decorators: true }, transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false }, keepClassNames: true } }] },
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  testEnvironmentOptions: { customExportConditions: ['@carillon/source', 'node', 'node-addons'] },
  testMatch: ['**/src/**/*.spec.ts', '**/test/**/*.spec.ts'],
  modulePathIgnorePatterns: ['/dist/'],
};
