/** What can be said of the compose file without a container engine. Running its commands: compose.e2e.redis.spec.ts */
import { describe, expect, it } from '@jest/globals';
import { compose, roles, serviceEnvironment } from './compose.js';

const services = Object.entries(compose.services);

describe('docker-compose.yml', () => {
  it('runs one container per service from one image, each in a role that exists', () => {
    const commands = services
      .filter(([, s]) => s.image === 'carillon' && !s.entrypoint)
      .map(([, s]) => s.command?.[0]);
    expect(commands.sort()).toEqual([
      'api',
      'audience',
      'dispatcher-email',
      'dispatcher-in-app',
      'dispatcher-push',
      'dispatcher-sms',
      'init',
      'migrate',
      'sandbox',
      'scheduling',
      'seed',
    ]);
    for (const command of commands) expect(roles).toContain(command);
  });

  it('opens ports on the loopback only, and neither the database nor the queues at all', () => {
    for (const [name, service] of services)
      for (const port of service.ports ?? []) expect(`${name} ${port}`).toMatch(/ 127\.0\.0\.1:/);
    expect(compose.services['postgres']?.ports).toBeUndefined();
    expect(compose.services['valkey']?.ports).toBeUndefined();
  });

  it('holds no secret: every one is a file of the volume that init fills', () => {
    for (const [name, service] of services) {
      for (const [variable, value] of Object.entries(serviceEnvironment(service)))
        if (/PASSWORD|SECRET|KEY|DATABASE_.*URL|QUEUE_URL/.test(variable))
          expect(`${name} ${variable}=${value}`).toMatch(/(_FILE|_DIR)=\/secrets/);
      const mounts = (service.volumes ?? []).filter((v) => v.startsWith('secrets:'));
      if (name !== 'init') for (const mount of mounts) expect(mount).toMatch(/:ro$/);
    }
    expect(JSON.stringify(compose)).not.toMatch(/postgres(ql)?:\/\/[^"]*:[^"]*@/);
  });

  it('lets the owner of the tables in for migrations only, and no store in without a password', () => {
    const owners = services.filter(([, s]) =>
      Object.keys(serviceEnvironment(s)).some((v) => /OWNER/.test(v)),
    );
    expect(owners.map(([name]) => name)).toEqual(['migrate']);
    expect(serviceEnvironment(compose.services['postgres'] ?? {})).toMatchObject({
      POSTGRES_PASSWORD_FILE: expect.stringMatching(/^\/secrets\//),
    });
    expect(serviceEnvironment(compose.services['postgres'] ?? {})).not.toHaveProperty(
      'POSTGRES_HOST_AUTH_METHOD',
    );
    expect(compose.services['valkey']?.command).toContain('/secrets/valkey.conf');
  });

  it('starts in an order that exists: after healthy stores, migrations and seed', () => {
    for (const [, service] of services)
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        const target = compose.services[other];
        expect(target).toBeDefined();
        if (condition === 'service_healthy') expect(target?.healthcheck).toBeDefined();
        if (condition === 'service_completed_successfully')
          expect(['no', undefined]).toContain(target?.restart);
      }
    const reaches = (from: string, to: string): boolean =>
      Object.keys(compose.services[from]?.depends_on ?? {}).some((next) => next === to || reaches(next, to));
    for (const name of ['api', 'audience', 'scheduling', 'dispatcher-email'])
      for (const needed of ['init', 'postgres', 'valkey', 'migrate', 'seed'])
        expect(`${name} after ${needed}: ${reaches(name, needed)}`).toBe(`${name} after ${needed}: true`);
  });

  it('watches every service that stays', () => {
    for (const [name, service] of services)
      if (service.restart === 'unless-stopped')
        expect(`${name}: ${service.healthcheck?.test ? 'watched' : 'unwatched'}`).toBe(`${name}: watched`);
  });
});
