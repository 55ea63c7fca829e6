#!/usr/bin/env node
/**
 * The services as few files: Node takes longer to find and link two thousand small modules than to start everything in
 * them. Runs after `tsc -b`, by `npm run build`. The compiled files stay what tests and containers run; stack.mjs starts
 * these instead, when they are there.
 */
import { build } from 'esbuild';
import fs from 'node:fs';
import path from 'node:path';
import { root } from './data-folder.mjs';
import { BUNDLES } from './projects.mjs';

/** Loaded at first use, or with parts that are no JavaScript: these stay packages of their own. */
const APART =
  /^(@node-rs\/argon2|@prisma\/.*|firebase-admin(\/.*)?|mailparser|mjml|nodemailer|reflect-metadata|twilio(\/.*)?)$/;

const entries = fs
  .readdirSync(path.join(root, 'apps'))
  .flatMap((app) =>
    ['main', 'seed-once'].map((name) => ({
      in: path.join(root, 'apps', app, 'dist', `${name}.js`),
      app,
      name,
    })),
  )
  .filter((entry) => fs.existsSync(entry.in) && !['cli', 'e2e'].includes(entry.app));

fs.rmSync(path.join(root, BUNDLES), { recursive: true, force: true });
await build({
  entryPoints: entries.map(({ in: file, app, name }) => ({ in: file, out: `${app}.${name}` })),
  outdir: path.join(root, BUNDLES),
  bundle: true,
  splitting: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  // Nest and BullMQ go by the names of classes.
  keepNames: true,
  sourcemap: true,
  sourcesContent: false,
  logLevel: 'error',
  // Decorators need the first wherever they stand; packages in CommonJS ask for the others.
  banner: {
    js: [
      "import 'reflect-metadata';",
      "import { createRequire as carillonRequire } from 'node:module';",
      "import { fileURLToPath as carillonPath } from 'node:url';",
      'const require = carillonRequire(import.meta.url);',
      'const __filename = carillonPath(import.meta.url);',
      "const __dirname = carillonPath(new URL('.', import.meta.url));",
    ].join(' '),
  },
  plugins: [packagesApart(), ownPlaces()],
});

/** What is not bundled keeps its place, also what is not installed: Nest asks for packages that nobody here uses. */
function packagesApart() {
  return {
    name: 'packages apart',
    setup({ onResolve, resolve }) {
      onResolve({ filter: /^[^./]/ }, async ({ path: name, ...args }) => {
        if (args.pluginData === 'asked' || name.startsWith('node:')) return undefined;
        const found = await resolve(name, { ...args, pluginData: 'asked' });
        if (found.errors.length > 0) return { path: name, external: true };
        if (!APART.test(name)) return found;
        return { path: path.relative(path.join(root, BUNDLES), found.path), external: true };
      });
    },
  };
}

/** Our own code finds files beside it by `import.meta.url`, which must go on to mean the compiled file. */
function ownPlaces() {
  return {
    name: 'own places',
    setup({ onLoad }) {
      onLoad({ filter: /[\\/](apps|libs)[\\/].*[\\/]dist[\\/].*\.js$/ }, async ({ path: file }) => {
        const code = await fs.promises.readFile(file, 'utf8');
        const from = path.relative(path.join(root, BUNDLES), file).split(path.sep).join('/');
        const place = `new URL(${JSON.stringify(from)}, import.meta.url).href`;
        return { contents: code.replaceAll('import.meta.url', place), loader: 'js' };
      });
    },
  };
}
