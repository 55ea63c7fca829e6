/**
 * The rules of the house as functions over the workspace: who may import whom, where the environment is read, what a
 * manifest must say. Each returns what it found as sentences; an empty list is a clean house. Run by
 * workspace.spec.mjs, which also plants one violation per rule to prove that it is seen.
 *
 * @typedef {{ where: string, sentence: string }} Finding
 * @typedef {import('./read-workspace.mjs').Workspace} Workspace
 */
import { builtinModules } from 'node:module';
import path from 'node:path';

/** Tag → tags it may import. The order of services is a rule of its own. Specs may also import `testing`. */
const MAY_IMPORT = {
  app: ['service', 'channel', 'platform', 'contract'],
  'app:client': ['published', 'contract'],
  service: ['service', 'rules', 'channel', 'platform', 'contract'],
  channel: ['rules', 'contract'],
  rules: ['rules', 'contract'],
  platform: ['platform', 'contract'],
  contract: [],
  published: ['contract'],
  testing: ['app', 'service', 'rules', 'channel', 'platform', 'contract', 'published'],
};
/** Beyond the table, and why. */
const EXCEPTIONS = [
  // It mounts all services in one process.
  { from: '@carillon/standalone', to: 'app' },
  // The one way out, which providers send through.
  { from: 'channel', to: '@carillon/http-out' },
  // Its world for tests decides as the engine does: the rules are bundled into it (docs/decisions/0023).
  { from: '@carillon/sdk', to: 'rules' },
  // It drives the running product as people do, with the tools of the specs.
  { from: '@carillon/e2e', to: 'testing' },
];
/** Services know only those before them. What must flow back goes through a queue. */
const SERVICE_ORDER = ['audience', 'delivery', 'scheduling'];

/** What every spec may use: databases and suites to inherit, and servers that speak the real protocols. */
const FOR_SPECS = ['@carillon/testing', '@carillon/sandbox'];

const ENVIRONMENT_READERS = [
  /^libs\/config\//,
  /^tools\//,
  /^prisma\.config\.ts$/,
  /^libs\/testing\//,
  /^apps\/e2e\//,
  /^apps\/[\w-]+\/bin\//,
];

const IO_BUILTINS =
  /^(node:)?(fs|fs\/promises|net|tls|http|https|http2|dns|dns\/promises|dgram|child_process|cluster|readline|readline\/promises|inspector|repl)$/;
const IO_PACKAGES =
  /^(@nestjs\/|@prisma\/|pg($|\/)|ioredis|bullmq|undici|axios|nodemailer|twilio|firebase-admin|smtp-server|fastify|@fastify\/|playwright-core)/;
const SERVER_PACKAGES = /^(@nestjs\/|@prisma\/|prisma($|\/)|bullmq|pg($|\/)|ioredis)/;

/** Keys by the shapes their makers gave them so that they can be found: ours, PEM, and the providers' we know. */
const SECRETS = [
  /\bck_[a-z]+_[a-z0-9]{12}_[A-Za-z0-9_-]{43}\b/,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----\s*(\\n)?[A-Za-z0-9+/]{40}/,
  /\b(AKIA|ASIA)[A-Z0-9]{16}\b/,
  /\bSG\.[\w-]{22}\.[\w-]{43}\b/,
  /\bgh[pousr]_[A-Za-z0-9]{36}\b/,
  /\bxox[abprs]-[A-Za-z0-9-]{20,}/,
  /\bAIza[\w-]{35}\b/,
  /\bnpm_[A-Za-z0-9]{36}\b/,
  /\b(sk|rk)_live_[A-Za-z0-9]{20,}\b/,
];

/** Everything the house asks for. @param {Workspace} workspace @returns {(Finding & { rule: string })[]} */
export function check(workspace) {
  return Object.entries(rules).flatMap(([rule, judge]) =>
    judge(workspace).map((finding) => ({ rule, ...finding })),
  );
}

export const rules = {
  everyProjectHasOneTag({ projects }) {
    return projects
      .filter(({ tags }) => tags.length !== 1 || !(tags[0] in MAY_IMPORT))
      .map(({ folder }) => ({
        where: `${folder}/package.json`,
        sentence: `nx.tags must hold exactly one of: ${Object.keys(MAY_IMPORT).join(', ')}.`,
      }));
  },

  whoMayImportWhom(workspace) {
    return crossings(workspace)
      .filter(({ file, from, to }) => !mayImport(from, to, file.isSpec))
      .map(({ file, imported, from, to }) => ({
        where: `${file.path}:${imported.line}`,
        sentence: `${from.name} (${from.tags}) may not import ${to.name} (${to.tags}).`,
      }));
  },

  packagesAreEnteredByTheirName({ files, projects }) {
    const ownerOf = (file) => projects.find(({ folder }) => file.startsWith(`${folder}/`));
    return relativeImports(files)
      .filter(
        ({ file, target }) =>
          file.project && ownerOf(target) !== undefined && ownerOf(target) !== file.project,
      )
      .map(({ file, imported }) => ({
        where: `${file.path}:${imported.line}`,
        sentence: `${imported.specifier} reaches into another project: import it by its package name.`,
      }));
  },

  environmentIsReadByConfigOnly({ files }) {
    return marked(files, 'environment')
      .filter(({ file }) => !file.isSpec && !ENVIRONMENT_READERS.some((reader) => reader.test(file.path)))
      .map(({ where }) => ({
        where,
        sentence: 'process.env is read by libs/config, tools/ and prisma.config.ts only.',
      }));
  },

  bullmqStaysInQueue({ files }) {
    return packageImports(files)
      .filter(({ file, name }) => name === 'bullmq' && file.project?.name !== '@carillon/queue')
      .map(({ where }) => ({ where, sentence: 'bullmq is imported by libs/queue only.' }));
  },

  channelsKnowNoServer({ files }) {
    return packageImports(files)
      .filter(
        ({ file, specifier }) =>
          file.project?.tags.includes('channel') && !file.isSpec && SERVER_PACKAGES.test(specifier),
      )
      .map(({ where, specifier }) => ({
        where,
        sentence: `A channel knows no Nest, Prisma or BullMQ: ${specifier}.`,
      }));
  },

  rulesDoNoInputOrOutput({ files }) {
    const judged = files.filter((file) => file.project?.tags.includes('rules') && !file.isSpec);
    const imports = packageImports(judged)
      .filter(
        ({ specifier, imported }) =>
          !imported.typeOnly && (IO_BUILTINS.test(specifier) || IO_PACKAGES.test(specifier)),
      )
      .map(({ where, specifier }) => ({
        where,
        sentence: `Rules are pure functions, and ${specifier} does input or output.`,
      }));
    const calls = marked(judged, 'network').map(({ where }) => ({
      where,
      sentence: 'Rules are pure functions: no fetch.',
    }));
    return [...imports, ...calls];
  },

  rulesTakeTimeAndChanceAsArguments({ files }) {
    const judged = files.filter((file) => /\/rules\/src\//.test(file.path) && !file.isSpec);
    return marked(judged, 'clock').map(({ where }) => ({
      where,
      sentence: 'Rules take the time and chance as arguments.',
    }));
  },

  contractsNeedZodOnly({ files }) {
    return packageImports(files)
      .filter(({ file, name }) => file.project?.tags.includes('contract') && !file.isSpec && name !== 'zod')
      .map(({ where, specifier }) => ({ where, sentence: `Contracts import zod only, not ${specifier}.` }));
  },

  noCirclesInsideProjects({ files }) {
    const edges = new Map(files.map(({ path: file }) => [file, []]));
    // Imports of types alone are gone at run time, and cannot leave a module half loaded.
    for (const { file, imported, target } of relativeImports(files)) {
      if (!imported.typeOnly) edges.get(file.path)?.push(target);
    }
    return circles(edges).map((circle) => ({
      where: circle[0],
      sentence: `Import circle: ${circle.join(' → ')}.`,
    }));
  },

  noCirclesBetweenProjects(workspace) {
    const edges = new Map(workspace.projects.map(({ name }) => [name, []]));
    for (const { file, from, to } of crossings(workspace))
      if (!file.isSpec) edges.get(from.name).push(to.name);
    return circles(edges).map((circle) => ({
      where: circle[0],
      sentence: `Project circle: ${circle.join(' → ')}.`,
    }));
  },

  referencesEqualDependencies(workspace) {
    return workspace.projects.flatMap((project) => {
      const imported = crossings(workspace).filter(
        ({ file, from }) => from.name === project.name && !file.isSpec,
      );
      // What only specs use is no reference: specs are not compiled with the project.
      const names = new Set([
        ...Object.keys(project.manifest.dependencies ?? {}),
        ...imported.map(({ to }) => to.name),
      ]);
      const wanted = workspace.projects.filter(({ name }) => names.has(name)).map(({ folder }) => folder);
      const missing = wanted.filter((folder) => !project.references.includes(folder));
      const surplus = project.references.filter((folder) => !wanted.includes(folder));
      return [
        ...missing.map((folder) => `references lacks ${folder}, a dependency.`),
        ...surplus.map((folder) => `references names ${folder}, which is no dependency.`),
      ].map((sentence) => ({ where: `${project.folder}/tsconfig.json`, sentence }));
    });
  },

  everyImportIsDeclared({ files, manifest }) {
    return packageImports(files)
      .filter(({ name, specifier }) => !isBuiltin(specifier) && name !== undefined)
      .filter(({ file, name }) => !declared(file, manifest).has(name))
      .map(({ file, where, name }) => ({
        where,
        sentence: `${name} is not declared in ${file.project ? `${file.project.folder}/` : ''}package.json.`,
      }));
  },

  declaredProjectsAreUsed(workspace) {
    return workspace.projects.flatMap((project) => {
      const used = new Set(
        crossings(workspace)
          .filter(({ from }) => from.name === project.name)
          .map(({ to }) => to.name),
      );
      return project.dependencies
        .filter((name) => !used.has(name))
        .map((name) => ({
          where: `${project.folder}/package.json`,
          sentence: `${name} is declared and never imported.`,
        }));
    });
  },

  noFocusedOrSkippedTests({ files }) {
    const tests = files.filter((file) => file.isSpec || file.project?.tags.includes('testing'));
    return marked(tests, 'focused').map(({ where }) => ({
      where,
      sentence:
        'No focused, skipped or postponed tests: a suite that needs a program is named for it (*.redis.spec.ts).',
    }));
  },

  noGrabBags({ files }) {
    return files
      .filter(({ path: file }) =>
        /(^|\/)(utils?|helpers?|commons?|base|managers?|misc)(\.[\w.]+|\/)/.test(file),
      )
      .map(({ path: file }) => ({
        where: file,
        sentence: 'Name it for what it does, not utils, helpers, common, base or manager.',
      }));
  },

  noMachinePaths({ texts, root }) {
    const anywhere = /\/home\/[a-z][\w-]*\/|\/Users\/[A-Za-z][\w-]*\/|[A-Z]:\\Users\\/;
    return texts.flatMap(({ path: file, text }) =>
      text.split('\n').flatMap((line, i) => {
        const own = root.split(path.sep).length > 2 && line.includes(`${root}/`);
        return own || anywhere.test(line)
          ? [{ where: `${file}:${i + 1}`, sentence: 'Holds a path of one machine.' }]
          : [];
      }),
    );
  },

  noSecretsInFiles({ texts }) {
    return texts.flatMap(({ path: file, text }) =>
      text
        .split('\n')
        .flatMap((line, i) =>
          SECRETS.some((shape) => shape.test(line))
            ? [{ where: `${file}:${i + 1}`, sentence: 'Looks like a key of somebody: make it at run time.' }]
            : [],
        ),
    );
  },

  everyClauseOfThePromiseHasItsTest({ texts }) {
    const known = new Set(texts.map((text) => text.path));
    return texts
      .filter((text) => text.path === 'README.md')
      .flatMap(({ text }) => /^## The promise$(.*?)^## /ms.exec(`${text}\n## `)?.[1].split('\n') ?? [])
      .filter((line) => /^\| \*\*/.test(line))
      .flatMap((line) => {
        const tests = [...line.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link);
        const clause = /\*\*(.+?)\*\*/.exec(line)?.[1];
        if (tests.length === 0) return [`“${clause}” names no test.`];
        return tests
          .filter((test) => !known.has(test) || !/\.(spec|suite)\.[jt]sx?$/.test(test))
          .map((test) => `“${clause}” names ${test}, which is no test of this workspace.`);
      })
      .map((sentence) => ({ where: 'README.md', sentence }));
  },

  lockNamesNoHosts({ lock }) {
    return Object.entries(lock.packages ?? {})
      .filter(([, { resolved }]) => /^[a-z+]+:/.test(resolved ?? '') && !/^file:/.test(resolved))
      .map(([name]) => ({
        where: 'package-lock.json',
        sentence: `${name} names where it was downloaded from.`,
      }));
  },

  installScriptsAreDecided({ lock, manifest }) {
    const decided = manifest.allowScripts ?? {};
    return Object.entries(lock.packages ?? {})
      .filter(([, entry]) => entry.hasInstallScript)
      .map(([where]) => where.replace(/^.*node_modules\//, ''))
      .filter((name) => !(name in decided))
      .map((name) => ({
        where: 'package.json',
        sentence: `${name} has an install script: decide about it in allowScripts (false, unless it cannot work without).`,
      }));
  },

  noVersionBelowItsFloor({ lock, floors }) {
    return Object.entries(lock.packages ?? {}).flatMap(([where, { version }]) => {
      const name = where.replace(/^.*node_modules\//, '');
      const floor = where.includes('node_modules/') ? floors[name] : undefined;
      if (!floor || !version || !isBelow(version, floor.version)) return [];
      return [
        {
          where: 'package-lock.json',
          sentence: `${name} ${version} is below ${floor.version}: ${floor.why}.`,
        },
      ];
    });
  },
};

function mayImport(from, to, inSpec) {
  if (from === to) return true;
  const [fromTag] = from.tags;
  const [toTag] = to.tags;
  if (inSpec && FOR_SPECS.includes(to.name)) return true;
  const excepted = EXCEPTIONS.some(
    (one) => (one.from === from.name || one.from === fromTag) && (one.to === to.name || one.to === toTag),
  );
  if (excepted) return true;
  if (!MAY_IMPORT[fromTag]?.includes(toTag)) return false;
  if (fromTag === 'service' && toTag === 'service') return rank(to) <= rank(from);
  return true;
}

const rank = ({ folder }) => SERVICE_ORDER.findIndex((word) => folder.split('/').includes(word));

/** Imports from one project into another, by name. */
function crossings({ files, projects }) {
  const byName = new Map(projects.map((project) => [project.name, project]));
  return files.flatMap((file) =>
    file.imports.flatMap((imported) => {
      const to = byName.get(packageName(imported.specifier));
      const from = file.project && byName.get(file.project.name);
      return from && to && from !== to ? [{ file, imported, from, to }] : [];
    }),
  );
}

function packageImports(files) {
  return files.flatMap((file) =>
    file.imports
      .filter(({ specifier }) => !/^[./]|^#|\?/.test(specifier))
      .map((imported) => ({
        file,
        imported,
        specifier: imported.specifier,
        name: packageName(imported.specifier),
        where: `${file.path}:${imported.line}`,
      })),
  );
}

function relativeImports(files) {
  const known = new Set(files.map(({ path: file }) => file));
  return files.flatMap((file) =>
    file.imports
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map((imported) => {
        const target = path.posix.join(path.posix.dirname(file.path), imported.specifier);
        const source = [target, target.replace(/\.js$/, '.ts'), target.replace(/\.jsx?$/, '.tsx')].find(
          (one) => known.has(one),
        );
        return { file, imported, target: source ?? target };
      }),
  );
}

function packageName(specifier) {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

const BUILTINS = new Set(builtinModules);
const isBuiltin = (specifier) => specifier.startsWith('node:') || BUILTINS.has(specifier);

/**
 * What a file may import: its project's packages, itself by name; specs and tools also what the root declares. Specs
 * may use the two projects made for them undeclared: declaring them would draw circles between manifests.
 */
function declared(file, root) {
  const all = (manifest) =>
    Object.keys({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.peerDependencies,
      ...manifest.optionalDependencies,
    });
  const own = file.project ? [file.project.name, ...all(file.project.manifest)] : [];
  const isTool = !file.project || file.isSpec || /\.config\.m?[jt]s$|\.mjs$/.test(file.path);
  return new Set([...own, ...(isTool ? all(root) : []), ...(file.isSpec ? FOR_SPECS : [])]);
}

function marked(files, what) {
  return files.flatMap((file) =>
    file.marks
      .filter((mark) => mark.what === what)
      .map(({ line }) => ({ file, where: `${file.path}:${line}` })),
  );
}

/** The circles of a graph, each once, as a walk that ends where it began. */
function circles(edges) {
  const found = [];
  const state = new Map();
  const walk = (node, trail) => {
    if (state.get(node) === 'done') return;
    if (state.get(node) === 'open') {
      found.push([...trail.slice(trail.indexOf(node)), node]);
      return;
    }
    state.set(node, 'open');
    for (const next of edges.get(node) ?? []) walk(next, [...trail, node]);
    state.set(node, 'done');
  };
  for (const node of edges.keys()) walk(node, []);
  return found;
}

/** Whether a version comes before another. A prerelease of a version comes before it. */
function isBelow(version, floor) {
  const [release, prerelease] = version.split('-');
  const one = release.split('.').map(Number);
  const other = floor.split('.').map(Number);
  const at = one.findIndex((part, i) => part !== other[i]);
  return at < 0 ? prerelease !== undefined : one[at] < other[at];
}
