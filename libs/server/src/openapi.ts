/**
 * The OpenAPI 3.1 document, made from the table of operations. Pure. Schemas with an id become components; what a
 * request may send and what a response holds are described apart where they differ.
 */
import { operations, Problem, problems, scopes, type Operation, type ProblemCode } from '@carillon/contracts';
import { z } from 'zod';

type Json = Record<string, unknown>;

export interface OpenApiDocument {
  openapi: '3.1.0';
  info: Json;
  servers: Json[];
  tags: { name: string }[];
  paths: Record<string, Record<string, Json>>;
  components: { schemas: Record<string, Json>; responses: Record<string, Json>; securitySchemes: Json };
}

export function openApi(): OpenApiDocument {
  const schemas = new Components();
  const paths: OpenApiDocument['paths'] = {};
  const table: [string, Operation][] = Object.entries(operations);
  for (const [name, operation] of table) {
    const path = operation.path.replace(/:([a-zA-Z]+)/g, '{$1}');
    (paths[path] ??= {})[operation.method.toLowerCase()] = describe(name, operation, schemas);
  }
  const problem = schemas.refer(Problem, 'output');
  return {
    openapi: '3.1.0',
    info: {
      title: 'Carillon',
      version: '1',
      description:
        'Sends messages by email, SMS, push and in-app, and keeps a log of every delivery.\n\n' +
        'Errors are problem+json (RFC 9457) with a stable `code`, a JSON pointer per fault, and a sentence that says what to write instead.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    // Relative: whoever reads this document has the address it came from.
    servers: [{ url: '/' }],
    tags: [...new Set(table.map(([, operation]) => operation.tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: schemas.all,
      responses: Object.fromEntries(
        Object.entries(problems).map(([code, { status, title }]) => [
          code,
          {
            description: `${status} \`${code}\`: ${title}.`,
            content: { 'application/problem+json': { schema: problem } },
          },
        ]),
      ),
      securitySchemes: {
        apiKey: {
          type: 'http',
          scheme: 'bearer',
          description: `An API key, \`ck_…\`. Scopes: ${Object.entries(scopes)
            .map(([scope, meaning]) => `\`${scope}\` (${meaning})`)
            .join(', ')}.`,
        },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-carillon',
          description: 'A person in the dashboard. Unsafe methods also need the header X-CSRF-Token.',
        },
        inboxToken: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of one profile, minted by your server.',
        },
      },
    },
  };
}

function describe(name: string, operation: Operation, schemas: Components): Json {
  const { auth, response } = operation;
  const scope = typeof auth === 'object' ? `Needs the scope \`${auth.scope}\`.` : undefined;
  const description = [operation.description, scope].filter(Boolean).join(' ');
  const media = operation.produces ?? 'application/json';
  const body = operation.produces ? { type: 'string' } : response && schemas.refer(response, 'output');
  return {
    operationId: name,
    tags: [operation.tag],
    summary: operation.summary,
    ...(description ? { description } : {}),
    security: security(operation),
    parameters: [
      ...parameters('path', operation.params, schemas),
      ...parameters('query', operation.query, schemas),
      ...(operation.idempotencyKey
        ? [
            {
              name: 'Idempotency-Key',
              in: 'header',
              description:
                'The same key with the same body gives the same answer, with the header `Idempotent-Replayed: true`, and sends once, for 48 hours. Another body under the same key is 422 `idempotency_mismatch`; 409 `idempotency_in_flight` when the first request has not ended within 5 seconds.',
              schema: { type: 'string', minLength: 1, maxLength: 255 },
            },
          ]
        : []),
    ],
    ...(operation.body
      ? {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemas.refer(operation.body, 'input') } },
          },
        }
      : {}),
    responses: {
      [operation.status]: {
        description: 'Done.',
        ...(body ? { content: { [media]: { schema: body } } } : {}),
      },
      ...problemResponses(operation),
    },
  };
}

function security({ auth }: Operation): Json[] {
  if (auth === 'none') return [];
  if (auth === 'inbox-token') return [{ inboxToken: [] }];
  if (auth === 'session') return [{ session: [] }];
  // Scopes may stand beside any kind of scheme since OpenAPI 3.1.
  const needed = typeof auth === 'object' ? [auth.scope] : [];
  return [{ apiKey: needed }, { session: needed }];
}

function problemResponses(operation: Operation): Record<string, Json> {
  const codes: ProblemCode[] = ['rate_limited', 'internal', 'unavailable'];
  if (operation.auth !== 'none') codes.unshift('unauthenticated');
  if (typeof operation.auth === 'object' || operation.auth === 'session') codes.push('forbidden');
  if (operation.params) codes.push('not_found');
  if (operation.body ?? operation.query) codes.push('invalid_request');
  if (operation.body) codes.push('malformed_json', 'unsupported_media_type', 'body_too_large');
  return Object.fromEntries(
    codes.map((code) => [problems[code].status, { $ref: `#/components/responses/${code}` }]),
  );
}

function parameters(where: 'path' | 'query', object: z.ZodObject | undefined, schemas: Components): Json[] {
  return Object.entries(object?.shape ?? {}).map(([name, schema]) => {
    const { description, ...rest } = schemas.refer(schema as z.ZodType, 'input');
    return {
      name,
      in: where,
      required: where === 'path' || !(schema as z.ZodType).safeParse(undefined).success,
      ...(description === undefined ? {} : { description }),
      ...(rest.type === 'array' ? { style: 'form', explode: false } : {}),
      schema: rest,
    };
  });
}

/** Collects the schemas that have a name. */
class Components {
  readonly all: Record<string, Json> = {};

  refer(schema: z.ZodType, io: 'input' | 'output'): Json {
    const {
      $schema: _,
      $defs,
      ...root
    } = z.toJSONSchema(schema, {
      io,
      unrepresentable: 'any',
      override: ({ zodSchema, jsonSchema }) => {
        // The format says it; zod's patterns for these are for machines only.
        if (jsonSchema.format === 'date-time' || jsonSchema.format === 'uuid') delete jsonSchema.pattern;
        // A response may gain fields: only what refuses unknown fields on the way in says so.
        const { def } = zodSchema._zod;
        if (def.type === 'object' && !('catchall' in def && def.catchall))
          delete jsonSchema.additionalProperties;
      },
    }) as Json & { $defs?: Record<string, Json> };
    const names = new Map(
      Object.entries($defs ?? {}).map(([id, body]) => [id, this.nameFor(id, body, $defs ?? {}, io)]),
    );
    for (const [id, body] of Object.entries($defs ?? {}))
      this.all[names.get(id) ?? id] ??= pointed(body, names);
    return pointed(root, names);
  }

  /** The id, or another name when the two directions differ. */
  private nameFor(id: string, body: Json, all: Record<string, Json>, io: 'input' | 'output'): string {
    // The only schemas without an id that recur are z.json(): any JSON value.
    if (id.startsWith('__schema')) {
      this.all.Json ??= { description: 'Any JSON value.' };
      return 'Json';
    }
    const plain = new Map(Object.keys(all).map((key) => [key, key.startsWith('__schema') ? 'Json' : key]));
    const known = this.all[id];
    if (!known || JSON.stringify(known) === JSON.stringify(pointed(body, plain))) return id;
    return `${id}${io === 'input' ? 'Input' : 'Output'}`;
  }
}

/** The same schema with references into the components. */
function pointed(schema: Json, names: ReadonlyMap<string, string>): Json {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) => {
    const id = key === '$ref' && typeof value === 'string' ? /^#\/\$defs\/(.+)$/.exec(value)?.[1] : undefined;
    return id === undefined ? value : `#/components/schemas/${names.get(id) ?? id}`;
  }) as Json;
}
