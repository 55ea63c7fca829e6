import { describe, expect, it } from '@jest/globals';
import { operations, problems, type Operation } from '@carillon/contracts';
import { openApi } from './openapi.js';

const document = openApi();
const table: [string, Operation][] = Object.entries(operations);

/** Every `$ref` in the document. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    key === '$ref' && typeof child === 'string' ? [child] : references(child),
  );
}
const follow = (reference: string): unknown =>
  reference
    .slice(2)
    .split('/')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);

describe('the OpenAPI document', () => {
  it('is 3.1 and describes every operation once, under its name', () => {
    expect(document.openapi).toBe('3.1.0');
    const names = Object.values(document.paths).flatMap((path) =>
      Object.values(path).map((o) => o.operationId),
    );
    expect(names.sort()).toEqual(Object.keys(operations).sort());
  });

  it('has no reference that leads nowhere', () => {
    const found = references(document);
    expect(found.length).toBeGreaterThan(100);
    expect(
      found.filter((reference) => !reference.startsWith('#/components/') || follow(reference) === undefined),
    ).toEqual([]);
    expect(JSON.stringify(document)).not.toContain('$defs');
    expect(Object.keys(document.components.schemas).filter((name) => !/^[A-Z][A-Za-z]+$/.test(name))).toEqual(
      [],
    );
  });

  it.each(table)('describes %s: parameters, body, answers, credentials', (name, operation) => {
    const path = operation.path.replace(/:([a-zA-Z]+)/g, '{$1}');
    const described = document.paths[path]?.[operation.method.toLowerCase()] as {
      operationId: string;
      parameters: { name: string; in: string; required?: boolean }[];
      requestBody?: unknown;
      responses: Record<string, { content?: Record<string, unknown> }>;
      security: Record<string, string[]>[];
    };
    expect(described.operationId).toBe(name);
    const inPath = [...operation.path.matchAll(/:([a-zA-Z]+)/g)].map((m) => m[1]);
    expect(
      described.parameters
        .filter((p) => p.in === 'path' && p.required)
        .map((p) => p.name)
        .sort(),
    ).toEqual(inPath.sort());
    expect(described.parameters.filter((p) => p.in === 'query').map((p) => p.name)).toEqual(
      Object.keys(operation.query?.shape ?? {}),
    );
    expect(described.requestBody !== undefined).toBe(operation.body !== undefined);
    expect(described.responses[String(operation.status)]?.content !== undefined).toBe(
      operation.response !== null || operation.produces !== undefined,
    );
    if (operation.auth === 'none') expect(described.security).toEqual([]);
    else expect(described.security.length).toBeGreaterThan(0);
    if (typeof operation.auth === 'object')
      expect(described.security[0]).toEqual({ apiKey: [operation.auth.scope] });
  });

  it('names every problem code with its status', () => {
    expect(Object.keys(document.components.responses)).toEqual(Object.keys(problems));
  });

  it('requires fields with a default in answers but not in requests', () => {
    const { schemas } = document.components;
    expect(schemas.SendMessage?.required).toEqual(['to']);
    expect(schemas.ApiKeyCreated?.required).toEqual(expect.arrayContaining(['key', 'id', 'scopes']));
    // Requests refuse unknown fields; answers may gain some.
    expect(schemas.SendMessage?.additionalProperties).toBe(false);
    expect(schemas.ApiKeyCreated?.additionalProperties).toBeUndefined();
  });
});
