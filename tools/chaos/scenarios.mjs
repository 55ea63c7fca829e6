/**
 * What is done to an installation, one entry per row of the matrix. `during` runs beside the load. `how` starts the
 * services; `stage` says which kind of installation it wants; `quick` puts it into a sample, in minutes.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { failpoints } from '@carillon/config';
import { between } from './random.mjs';
import { channelOf, isAlive, signal, treeOf } from './stage.mjs';

const DISPATCHERS = ['dispatcher-email', 'dispatcher-sms', 'dispatcher-push', 'dispatcher-in-app'];
const isRoot = process.getuid?.() === 0;
const works = (command, ...args) => spawnSync(command, args, { stdio: 'ignore' }).status === 0;

// Seconds; or a little after a service that was killed is there again, where that takes longer (see run.mjs).
/** Nobody dies and nothing is lost: nothing stands still until a lease has ended. */
const UNDISTURBED = 10;
/** A killed dispatcher's rows move again within this; a lease takes 10 s of it. */
const KILLED = 15;
/** Jobs that went with Redis, or were never made because the accepting process died, are offered again within this. */
const OFFERED = 25;
/** Once providers are well again: the breakers have opened twice by then (5 s and 10 s), and let out by turns what waited. */
const WELL_AGAIN = 45;
/** A call by HTTP is given up after 15 s, and what it was about moves. */
const GIVEN_UP = 20;
/** A mail whose server falls silent after its final dot is given up after two minutes. */
const MAIL_GIVEN_UP = 125;

/** Kills itself at one place after another, a few passes into each life. */
const atFailpoint = (name, passes, strikes, more = {}) => ({
  name: `kill at ${name}`,
  seconds: 8 + strikes * 5,
  recoverySeconds: OFFERED,
  faultsAtLeast: strikes,
  how: (random) => ({ env: { CARILLON_FAILPOINTS: `${name}:kill:${between(random, ...passes)}` }, strikes }),
  ...more,
});
const places = {
  'after-mark': [10, 30],
  'reply-read': [10, 30],
  'accept-after-commit': [10, 30],
  'after-claim': [15, 40],
  'before-mark': [10, 30],
  'after-record': [10, 30],
  'accept-before-commit': [10, 30],
  'clock-after-take': [2, 5],
  'before-claim': [10, 30],
  'receipts-before-commit': [5, 15],
  'receipts-after-commit': [5, 15],
};

const everySoOften = async ({ sleep, random, over }, low, high, strike) => {
  while (!over.yet) {
    await sleep(between(random, low, high));
    if (over.yet) return;
    await strike();
  }
};

/** At a moment that the seed names. */
const atSomeMoment = ({ sleep, random }, low, high) => sleep(between(random, low, high));

/** Providers misbehave for the first half of the load, and then no more. */
const halfTheTime = (begin, end) => async (stage, t) => {
  await begin(stage, t);
  await t.sleep((t.seconds * 1000) / 2);
  await end(stage, t);
  stage.fault('the providers are well again');
};
const well = (channels) => Object.fromEntries(channels.map((channel) => [channel, {}]));
const proxied = (name, faults, { spare, ...more } = {}) => ({
  name,
  seconds: 12,
  recoverySeconds: WELL_AGAIN,
  faultsAtLeast: 1,
  during: halfTheTime(
    (stage) => stage.setLines(faults),
    (stage) => stage.setLines(well(Object.keys(faults)), { spare }),
  ),
  ...more,
});
const behaving = (name, behave, more = {}) => ({
  name,
  seconds: 12,
  recoverySeconds: WELL_AGAIN,
  faultsAtLeast: 1,
  providers: behave,
  during: halfTheTime(
    () => {},
    (stage) => stage.tellSink({ behave: {} }),
  ),
  ...more,
});
const web = (act, share) => ({ sms: { act, share }, push: { act, share } });
const all = (act, share) => ({ ...web(act, share), email: { act, share } });

const inSeconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
/** Every process in turn, the dispatchers between the others: a slow machine comes to some of each. */
const inTurn = [
  'dispatcher-email',
  'scheduling',
  'dispatcher-sms',
  'api',
  'dispatcher-push',
  'audience',
  'dispatcher-in-app',
];
/** Stopped in order and started again, one after the other; at least four, however slow the machine. */
const rolling = async (stage, t) => {
  let done = 0;
  await everySoOften(t, 400, 900, async () => {
    for (const name of inTurn) {
      if (t.over.yet && done >= 4) return;
      done += 1;
      const { how, endMs, startMs } = await stage.restart(name);
      stage.fault(
        `${name} restarted (${how}; ended in ${inSeconds(endMs)}, ready in ${inSeconds(startMs)})`,
        channelOf(name),
      );
      if (how !== 'code 0') throw new Error(`${name} did not end well: ${how}`);
      await t.sleep(500);
    }
  });
};

/** Both processes of every channel take turns in being stopped for longer than a lease. */
const stoppedDispatchers = async (stage, t) => {
  const { sleep } = t;
  await atSomeMoment(t, 2000, 4000);
  for (const name of DISPATCHERS) stage.signal(name, 'SIGSTOP');
  stage.fault('dispatchers stopped');
  await sleep(14_000);
  for (const name of DISPATCHERS) stage.signal(name, 'SIGCONT');
  stage.fault('dispatchers go on');
};

/** A look at some moment: what is under way then moves on. */
const undisturbed = {
  recoverySeconds: UNDISTURBED,
  faultsAtLeast: 1,
  unknownAtMost: 0,
  during: async (stage, t) => {
    await atSomeMoment(t, 3000, 6000);
    stage.fault('nothing at all');
  },
};

/** Three of them at moments that the seed names, beside what their failpoints do. */
const killedDispatchers = async (stage, t) => {
  for (let n = 0; n < 3; n++) {
    await atSomeMoment(t, 3000, 5500);
    // On a slow machine all of them may be on their way back.
    let alive = [];
    while (alive.length === 0) {
      await t.sleep(50);
      alive = DISPATCHERS.filter((name) => isAlive(stage.pidOf(name)));
    }
    const name = alive[between(t.random, 0, alive.length - 1)];
    stage.signal(name, 'SIGKILL');
  }
};

const rows = [
  { name: 'calm', seconds: 8, ...undisturbed },

  {
    name: 'kill at failpoints',
    quick: true,
    seconds: 24,
    faultsAtLeast: 3,
    recoverySeconds: OFFERED,
    // A place per life.
    during: async (stage, { random, sleep }) => {
      stage.upNext = Object.entries(places).map(
        ([name, passes]) => `${name}:kill:${between(random, ...passes)}`,
      );
      await sleep(1000);
      stage.signal('standalone', 'SIGKILL');
    },
    after: (stage) => void (stage.upNext = []),
  },
  ...failpoints.filter((name) => places[name]).map((name) => atFailpoint(name, places[name], 2)),
  {
    name: 'kill at random',
    quick: true,
    seconds: 14,
    recoverySeconds: OFFERED,
    faultsAtLeast: 2,
    during: (stage, t) => everySoOften(t, 3500, 5500, () => stage.signal('standalone', 'SIGKILL')),
  },
  {
    name: 'kill any service',
    bothQueues: true,
    apart: true,
    seconds: 20,
    recoverySeconds: OFFERED,
    faultsAtLeast: 7,
    // Each of them at least once, and the next before the one before is back.
    during: (stage, t) => {
      let left = [];
      return everySoOften(t, 1000, 2000, () => {
        if (left.length === 0) left = [...stage.names()];
        const [name] = left.splice(between(t.random, 0, left.length - 1), 1);
        stage.signal(name, 'SIGKILL');
      });
    },
  },
  {
    // Mails wait in a slow provider until as much is under way as may be: the bound of `unknownBeyond`, met from below.
    name: 'kill with much under way',
    rate: 10,
    seconds: 6,
    faultsAtLeast: 1,
    recoverySeconds: OFFERED,
    unknownPerKillAtLeast: 400,
    burst: { channel: 'email', count: 1500 },
    members: 1000,
    patienceMs: 150_000,
    during: async (stage, { sleep }) => {
      await stage.setLines({ email: { latencyMs: 20_000 } });
      let underWay = 0;
      for (let n = 0; n < 240 && underWay < 500; n++) {
        await sleep(250);
        underWay = await stage.underWay('email');
      }
      stage.signal('standalone', 'SIGKILL');
      await stage.setLines({ email: {} });
      if (underWay < 500)
        throw new Error(`only ${underWay} mails were under way at the kill, 500 were meant to be`);
    },
  },
  ...['after-claim', 'after-mark', 'reply-read', 'after-record'].map((name) =>
    atFailpoint(name, [], 3, {
      name: `kill dispatchers at ${name}`,
      bothQueues: name === 'after-mark',
      apart: true,
      seconds: 20,
      recoverySeconds: KILLED,
      othersWorkOn: true,
      // Three are killed at random: the others died where they were told to.
      faultsAtLeast: 5,
      how: (random) => ({
        only: Object.fromEntries(
          DISPATCHERS.map((one) => [one, { CARILLON_FAILPOINTS: `${name}:kill:${between(random, 2, 8)}` }]),
        ),
        // Another one of each channel, which nobody kills: rows need not wait for a process to start.
        extra: DISPATCHERS,
        strikes: 3,
      }),
      during: killedDispatchers,
    }),
  ),

  {
    name: 'kill PostgreSQL',
    quick: true,
    seconds: 18,
    recoverySeconds: OFFERED,
    faultsAtLeast: 4,
    during: async (stage, t) => {
      for (let n = 0; n < 2; n++) {
        await atSomeMoment(t, 1500, 5500);
        stage.fault('postgres killed');
        await stage.killPostgres(between(t.random, 500, 3000));
      }
    },
  },
  {
    name: 'dispatchers stopped for longer than a lease',
    bothQueues: true,
    quick: true,
    apart: true,
    seconds: 24,
    recoverySeconds: KILLED,
    faultsAtLeast: 2,
    how: () => ({ extra: DISPATCHERS }),
    during: stoppedDispatchers,
  },
  {
    name: 'rolling restarts',
    bothQueues: true,
    quick: true,
    apart: true,
    seconds: 20,
    // Within the grace everything ends that has begun.
    unknownAtMost: 0,
    recoverySeconds: KILLED,
    faultsAtLeast: 4,
    during: rolling,
  },

  proxied('providers slow', {
    email: { latencyMs: 1500 },
    sms: { latencyMs: 1500, dripBytes: 64 },
    push: { latencyMs: 1500 },
  }),
  proxied('providers unreachable', {
    email: { refuse: true },
    sms: { refuse: true },
    push: { refuse: true },
  }),
  proxied('connections reset inside the request', {
    email: { cutAfterBytes: 700, share: 0.5 },
    sms: { cutAfterBytes: 300, share: 0.5 },
    push: { cutAfterBytes: 300, share: 0.5 },
  }),
  proxied('reset after the final dot', { email: { cutAfter: '\r\n.\r\n' } }),
  proxied('reset before the final dot', { email: { cutBefore: '\r\n.\r\n' } }),
  behaving('providers ask to slow down', all('refuse', 0.5), { quick: true }),
  behaving('providers vanish', all('vanish', 0.3)),
  behaving('providers take and vanish', all('take-and-vanish', 0.3), { quick: true }),
  behaving('providers fall silent', web('silence', 0.1), { recoverySeconds: GIVEN_UP }),
  proxied(
    'connections fall silent',
    {
      email: { silentAfter: '\r\n.\r\n', share: 0.3 },
      sms: { blackhole: true, share: 0.3 },
      push: { blackhole: true, share: 0.3 },
    },
    // Those that are silent stay so: they are given up, not reset.
    { spare: true, recoverySeconds: MAIL_GIVEN_UP, patienceMs: 180_000 },
  ),
  {
    name: 'receipts repeated and out of order',
    quick: true,
    seconds: 8,
    providers: { receipts: { copies: 3, shuffled: true } },
    ...undisturbed,
  },

  {
    name: 'kill Redis',
    queue: 'redis',
    seconds: 14,
    recoverySeconds: OFFERED,
    faultsAtLeast: 1,
    during: async (stage, t) => {
      await atSomeMoment(t, 2000, 6000);
      signal(stage.redis.pid, 'SIGKILL');
      await stage.redis.ended;
      await t.sleep(2000);
      await stage.startRedis();
      stage.fault('redis is back');
    },
  },
  {
    name: 'restart Redis',
    queue: 'redis',
    seconds: 14,
    recoverySeconds: OFFERED,
    faultsAtLeast: 1,
    during: async (stage, t) => {
      await atSomeMoment(t, 2000, 6000);
      signal(stage.redis.pid, 'SIGTERM');
      await stage.redis.ended;
      await stage.startRedis();
      stage.fault('redis is back');
    },
  },
  {
    name: 'FLUSHALL',
    queue: 'redis',
    apart: true,
    quick: true,
    seconds: 12,
    recoverySeconds: 30,
    faultsAtLeast: 3,
    during: async (stage, t) => {
      for (let n = 0; n < 3; n++) {
        await atSomeMoment(t, 1500, 3500);
        await stage.askRedis('FLUSHALL');
        stage.fault('FLUSHALL');
      }
    },
  },
  {
    // A test of variants is decided, and its winner rolled out, while everything that moves it dies and the queues are wiped.
    name: 'campaign',
    queue: 'redis',
    apart: true,
    seconds: 26,
    rate: 10,
    members: 500,
    campaign: true,
    recoverySeconds: 30,
    faultsAtLeast: 9,
    during: async (stage, { sleep }) => {
      await sleep(2500);
      for (const name of [
        'scheduling',
        'dispatcher-email',
        'scheduling',
        'dispatcher-sms',
        'api',
        'scheduling',
      ]) {
        stage.signal(name, 'SIGKILL');
        await sleep(1500);
        await stage.askRedis('FLUSHALL');
        stage.fault('FLUSHALL');
        await sleep(2000);
      }
    },
  },
  {
    // People on their way while what moves them dies in the worst moments, stands still for longer than a lease, and loses its
    // database and its queues; a second engine takes over.
    name: 'journey',
    queue: 'redis',
    apart: true,
    seconds: 40,
    rate: 5,
    runs: false,
    journey: true,
    recoverySeconds: 30,
    faultsAtLeast: 6,
    how: () => ({
      only: { scheduling: { CARILLON_FAILPOINTS: 'journey-before-commit:kill:12' } },
      extra: ['scheduling'],
    }),
    during: async (stage, { sleep, random }) => {
      stage.upNext = ['after', 'before', 'after'].map(
        (when) => `journey-${when}-commit:kill:${between(random, 4, 12)}`,
      );
      await sleep(6000);
      stage.signal('scheduling', 'SIGKILL');
      await stage.askRedis('FLUSHALL');
      stage.fault('FLUSHALL');
      await sleep(between(random, 1500, 4000));
      stage.fault('postgres killed');
      await stage.killPostgres(2000);
      await sleep(between(random, 1000, 3000));
      stage.upNext = [];
      stage.signal('scheduling', 'SIGSTOP');
      stage.fault('scheduling stopped');
      await sleep(14_000);
      stage.signal('scheduling', 'SIGCONT');
      stage.signal('scheduling 2', 'SIGKILL');
      stage.signal('audience', 'SIGKILL');
      await sleep(2000);
      stage.signal('api', 'SIGKILL');
    },
    after: (stage) => void (stage.upNext = []),
  },
  {
    name: 'kill where people are moved',
    seconds: 10,
    rate: 5,
    runs: false,
    journey: true,
    recoverySeconds: OFFERED,
    faultsAtLeast: 2,
    how: (random) => ({
      env: { CARILLON_FAILPOINTS: `journey-before-commit:kill:${between(random, 10, 20)}` },
    }),
    during: async (stage, { random }) => {
      stage.upNext = [`journey-after-commit:kill:${between(random, 5, 15)}`];
    },
    after: (stage) => void (stage.upNext = []),
  },
  {
    name: 'Redis out of memory',
    queue: 'redis',
    apart: true,
    seconds: 16,
    recoverySeconds: OFFERED,
    faultsAtLeast: 1,
    during: async (stage, t) => {
      const { sleep } = t;
      await atSomeMoment(t, 2000, 4000);
      await stage.askRedis('CONFIG SET maxmemory 1mb');
      stage.onFault({ at: Date.now() + 8000, what: 'redis out of memory for 8 s' });
      await sleep(8000);
      await stage.askRedis('CONFIG SET maxmemory 0');
    },
  },
  {
    name: 'Redis stopped',
    queue: 'redis',
    apart: true,
    seconds: 22,
    recoverySeconds: OFFERED,
    faultsAtLeast: 1,
    during: async (stage, t) => {
      const { sleep } = t;
      await atSomeMoment(t, 2000, 4000);
      signal(stage.redis.pid, 'SIGSTOP');
      await sleep(12_000);
      signal(stage.redis.pid, 'SIGCONT');
      stage.fault('redis goes on');
    },
  },

  {
    name: 'disk full',
    seconds: 16,
    // The queue lies on the same disk: jobs that found no room are offered again.
    recoverySeconds: OFFERED,
    skip: () =>
      isRoot && process.platform === 'linux' ? null : 'needs root on Linux to mount a small file system',
    stage: {
      prepare(folder) {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400m', 'tmpfs', folder]);
        return () => execFileSync('umount', ['-l', folder]);
      },
    },
    faultsAtLeast: 1,
    during: async (stage, t) => {
      const { sleep } = t;
      await atSomeMoment(t, 2000, 4000);
      const filler = path.join(stage.data, 'filler');
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M'], { stdio: 'ignore' });
      await sleep(5000);
      fs.rmSync(filler, { force: true });
      stage.fault('the disk was full for 5 s');
    },
  },
  {
    name: 'clock jumps',
    seconds: 14,
    // A job whose lock ends by a clock that jumped is lost: its rows are offered again.
    recoverySeconds: OFFERED,
    faultsAtLeast: 3,
    skip: () => (fakeTime() ? null : 'needs libfaketime (apt-get install libfaketime)'),
    // The services' clock, not the database's: leases and due times are judged by the latter alone.
    how: () => ({
      env: {
        LD_PRELOAD: fakeTime(),
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
        FAKETIME_TIMESTAMP_FILE: clockFile(),
      },
    }),
    during: async (stage, t) => {
      for (const jump of ['+3600', '-3600', '+0']) {
        await atSomeMoment(t, 2500, 4500);
        fs.writeFileSync(clockFile(), `${jump}\n`);
        stage.fault(`the services' clock jumps to ${jump} s`);
      }
    },
  },
  {
    name: 'power cut',
    seconds: 10,
    // From the moment that the power is back: all that everybody held, and jobs that were not on the disk.
    recoverySeconds: OFFERED,
    faultsAtLeast: 2,
    skip: () =>
      isRoot && works('sh', '-c', 'command -v mkfs.ext4 && test -e /dev/loop-control')
        ? null
        : 'needs root, mkfs.ext4 and loop devices',
    stage: { prepare: (folder) => powerOn(folder) },
    during: async (stage, t) => {
      await atSomeMoment(t, 2500, 7500);
      await powerCut(stage);
    },
  },
];

/** On the queue that it is about; what is about jobs that processes hold, on both. */
export const scenarios = rows.flatMap(({ bothQueues, ...row }) =>
  bothQueues ? [row, { ...row, queue: 'redis', quick: false }] : [row],
);

const fakeTime = () =>
  [
    '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
    '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
  ].find((file) => fs.existsSync(file));
let clock;
function clockFile() {
  if (!clock) {
    clock = path.join(fs.mkdtempSync('/tmp/carillon-clock-'), 'now');
    fs.writeFileSync(clock, '+0\n');
  }
  return clock;
}

/** The folder becomes a file system of its own in a file, whose blocks are only what was really written. */
function powerOn(folder) {
  const image = `${folder}.img`;
  execFileSync('dd', ['if=/dev/zero', `of=${image}`, 'bs=1M', 'count=0', 'seek=700'], { stdio: 'ignore' });
  execFileSync('mkfs.ext4', ['-q', image]);
  execFileSync('mount', ['-o', 'loop', image, folder]);
  return () => {
    spawnSync('umount', ['-l', folder]);
    for (const file of [image, `${image}.cut`]) fs.rmSync(file, { force: true });
  };
}

/** What is on the disk at that moment is what the machine starts with again; what was only in memory is gone. */
async function powerCut(stage) {
  const { data: folder, postgres } = stage;
  const image = `${folder}.img`;
  // Frozen, so that nobody hears of a commit that the copy does not have.
  const tree = treeOf(postgres.pid);
  for (const pid of tree) signal(pid, 'SIGSTOP');
  execFileSync('cp', ['--sparse=always', image, `${image}.cut`]);
  stage.fault('power cut');
  await stage.stopServices('SIGKILL');
  for (const pid of tree) signal(pid, 'SIGKILL');
  while (tree.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 20));
  execFileSync('umount', ['-l', folder]);
  execFileSync('mount', ['-o', 'loop', `${image}.cut`, folder]);
  await stage.startPostgres(postgres.port);
  await stage.startServices();
  stage.fault('power is back');
}
