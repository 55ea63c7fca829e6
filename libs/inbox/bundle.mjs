#!/usr/bin/env node
/**
 * What is published: `dist/esm` and `dist/cjs`, each the headless client and the React part beside their declarations,
 * and `dist/styles.css`. Only React is imported from outside, and only by the React part. Runs after `tsc -b`, by
 * `npm run build` and by the spec that plays the consumer.
 */
import { build } from 'esbuild';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(here, 'dist');

for (const [format, type] of [
  ['esm', 'module'],
  ['cjs', 'commonjs'],
]) {
  const folder = path.join(dist, format);
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify({ type }));
  const shared = {
    bundle: true,
    format,
    target: 'es2022',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    jsx: 'automatic',
    sourcemap: true,
    sourcesContent: true,
    logLevel: 'warning',
  };
  await build({
    ...shared,
    entryPoints: [path.join(here, 'src/index.ts')],
    outfile: path.join(folder, 'index.js'),
  });
  await build({
    ...shared,
    entryPoints: [path.join(here, 'src/react.tsx')],
    outfile: path.join(folder, 'react.js'),
    // The client is the file beside it, so that a page that uses both has it once.
    external: ['react', 'react/jsx-runtime', './index.js'],
    // For frameworks that render on the server first.
    banner: { js: "'use client';" },
  });
  copyDeclarations(folder);
}
fs.copyFileSync(path.join(here, 'src/styles.css'), path.join(dist, 'styles.css'));

/** Copies the compiler's declarations, and those that they refer to. */
function copyDeclarations(folder) {
  const known = new Set();
  const copy = (name) => {
    if (known.has(name)) return;
    known.add(name);
    const text = fs
      .readFileSync(path.join(dist, `${name}.d.ts`), 'utf8')
      .replace(/\n?\/\/# sourceMappingURL=.*\n?$/, '\n');
    fs.writeFileSync(path.join(folder, `${name}.d.ts`), text);
    for (const [, next] of text.matchAll(/from '\.\/([\w-]+)\.js'/g)) copy(next);
  };
  copy('index');
  copy('react');
}
