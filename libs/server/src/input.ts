/** Reads and judges the input of an operation: media type, JSON, then the contract's schemas. */
import type { Operation, ProblemError } from '@carillon/contracts';
import type { FastifyRequest } from 'fastify';
import type { z } from 'zod';
import { faultIn, parseJson } from './json.js';
import { ProblemException } from './problem.js';
import { errorsOf } from './sentences.js';

export interface Input {
  params: unknown;
  query: unknown;
  body: unknown;
}

/** @throws ProblemException with every fault of the first part that has one */
export function readInput(operation: Operation, request: FastifyRequest): Input {
  return {
    params: operation.params && readParams(operation, operation.params, request.params),
    query: operation.query && readQuery(operation.query, request.query),
    body: operation.body && readBody(operation.body, request),
  };
}

function readParams(operation: Operation, schema: z.ZodObject, given: unknown): unknown {
  const result = schema.safeParse(given);
  if (result.success && !faultIn(given)) return result.data;
  // Only PUT can create what the address names: there a bad name is a fault to mend. Elsewhere it names nothing.
  if (operation.method !== 'PUT' || result.success)
    throw new ProblemException(
      'not_found',
      'There is nothing at this address in your workspace: check the id in it.',
    );
  const errors = errorsOf(schema, given, result.error).map((e) => ({
    ...e,
    pointer: `:${e.pointer.slice(1)}`,
  }));
  throw invalid('The address is not valid', errors);
}

function readQuery(schema: z.ZodObject, given: unknown): unknown {
  const fault = faultIn(given);
  // Strict: a misspelt filter must not quietly return everything.
  const strict = schema.strict();
  const result = strict.safeParse(given);
  if (result.success && !fault) return result.data;
  const errors = fault ? [fault] : result.success ? [] : errorsOf(strict, given, result.error);
  throw invalid(
    'The query is not valid',
    errors.map((e) => ({ ...e, pointer: `?${e.pointer.slice(1)}` })),
  );
}

function readBody(schema: z.ZodType, request: FastifyRequest): unknown {
  const bytes = request.body instanceof Uint8Array ? request.body : new Uint8Array();
  const type = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() ?? '';
  if (bytes.length > 0 && type !== 'application/json' && !/^application\/[\w.-]+\+json$/.test(type))
    throw new ProblemException(
      'unsupported_media_type',
      'Send the body as JSON, with the header  Content-Type: application/json.',
    );
  // No body at all reads as an empty object: what is missing is then named field by field.
  const given = bytes.length > 0 ? parseJson(bytes) : {};
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  throw invalid('The body is not valid', errorsOf(schema, given, result.error));
}

function invalid(what: string, errors: ProblemError[]): ProblemException {
  const [first] = errors;
  const detail = first
    ? `${what}: ${first.pointer || 'the body'}: ${first.message}${errors.length > 1 ? ` (and ${errors.length - 1} more)` : ''}`
    : `${what}.`;
  return new ProblemException('invalid_request', detail, { errors });
}
