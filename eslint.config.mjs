/**
 * What only a linter that knows types can see: promises nobody waits for. Style is prettier's, imports and the
 * environment are tools/checks'. Run by `npm run lint`.
 */
import tseslint from 'typescript-eslint';

export default [
  { ignores: ['**/dist/', '**/generated/', '**/*.d.ts', 'node_modules/', '.data/', '.nx/'] },
  {
    files: ['{apps,libs}/**/src/**/*.{ts,tsx}'],
    plugins: { '@typescript-eslint': tseslint.plugin },
    languageOptions: {
      parser: tseslint.parser,
      parserOptions: { project: './tsconfig.lint.json', tsconfigRootDir: import.meta.dirname },
    },
    // A promise that may be left alone says so with `void`; nothing is switched off in passing.
    linterOptions: { noInlineConfig: true, reportUnusedDisableDirectives: 'off' },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      // React's event handlers may be asynchronous: what they return is looked at by nobody.
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
    },
  },
];
