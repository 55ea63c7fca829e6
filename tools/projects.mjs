/**
 * The projects of the workspace as their manifests describe them. Read by build.mjs, services.mjs and the
 * workspace checks. Node's own modules only.
 */
import fs from 'node:fs';
import path from 'node:path';
import { root as here } from './data-folder.mjs';

/** Where bundle.mjs puts the services, from the root. */
export const BUNDLES = 'node_modules/.cache/carillon/services';

/**
 * @typedef {{ name: string, folder: string, manifest: any, tags: string[], dependencies: string[] }} Project
 * `folder` is relative to the root; `dependencies` are names of other projects, direct ones, of every kind.
 */

/**
 * @param {string} [root] the workspace's root
 * @returns {Project[]} in the order of their folders
 */
export function projects(root = here) {
  const { workspaces } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'));
  const found = workspaces.flatMap((pattern) => {
    const parent = pattern.replace(/\/\*$/, '');
    if (!fs.existsSync(path.join(root, parent))) return [];
    return fs.readdirSync(path.join(root, parent)).map((name) => `${parent}/${name}`);
  });
  const manifests = found
    .filter((folder) => fs.existsSync(path.join(root, folder, 'package.json')))
    .map((folder) => ({
      folder,
      manifest: JSON.parse(fs.readFileSync(path.join(root, folder, 'package.json'), 'utf8')),
    }));
  const names = new Set(manifests.map(({ manifest }) => manifest.name));
  return manifests.map(({ folder, manifest }) => ({
    name: manifest.name,
    folder,
    manifest,
    tags: manifest.nx?.tags ?? [],
    dependencies: Object.keys({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.peerDependencies,
    }).filter((name) => names.has(name)),
  }));
}

const LEFT_OUT = /^(node_modules|dist|generated|coverage)$/;

/** The files of a folder that a person wrote: no packages, no build results. Paths are relative to `root`. */
export function sourceFiles(folder, root = here) {
  const at = path.join(root, folder);
  if (!fs.existsSync(at)) return [];
  return fs.readdirSync(at, { withFileTypes: true }).flatMap((entry) => {
    const file = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return LEFT_OUT.test(entry.name) ? [] : sourceFiles(file, root);
    return entry.name.endsWith('.tsbuildinfo') ? [] : [file];
  });
}
