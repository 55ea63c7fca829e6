/**
 * Writes contracts' types as plain TypeScript, with the descriptions of the schemas as doc comments, so that the
 * published client needs neither contracts nor zod to be typed. Reads the zod schemas as JSON Schema. Called by
 * bundle.mjs; the spec compares the result with contracts, type by type.
 *
 * A schema's input (what a caller writes) and output (what the API answers) differ where defaults may be left out:
 * then the input is called `<Name>Input`.
 */
import * as contracts from '@carillon/contracts';
import { z } from 'zod';

const JSON_TYPE = `/** What JSON can hold. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };`;

/** Declarations that are about the table of operations rather than one schema. */
const GENERIC = {
  OperationName: 'export type OperationName = keyof Operations;',
  ParamsOf: "export type ParamsOf<N extends OperationName> = Operations[N]['params'];",
  QueryOf: "export type QueryOf<N extends OperationName> = Operations[N]['query'];",
  BodyInputOf: "export type BodyInputOf<N extends OperationName> = Operations[N]['body'];",
  ResponseOf: "export type ResponseOf<N extends OperationName> = Operations[N]['response'];",
  Page: `/** One page of a list. \`nextCursor\` is null on the last one. */
export interface Page<T> {
  items: T[];
  nextCursor: string | null;
}`,
  ProblemCode: `/** Stable codes of refusals. */\nexport type ProblemCode = ${union(Object.keys(contracts.problems))};`,
};

/**
 * @param {string[]} names what the client's declarations import from contracts
 * @returns {string} the text of contracts.d.ts
 */
export function contractDeclarations(names) {
  const writer = new Writer();
  const parts = [];
  for (const name of names) {
    if (GENERIC[name]) {
      parts.push(GENERIC[name]);
      continue;
    }
    const input = name.endsWith('Input') && !(name in contracts);
    const schema = contracts[input ? name.slice(0, -'Input'.length) : name];
    if (!(schema instanceof z.ZodType)) throw new Error(`contracts has no schema for the type ${name}`);
    writer.named(name, schema, input ? 'input' : 'output');
  }
  const operations = Object.entries(contracts.operations).map(([name, o]) => {
    const type = (schema, io) => (schema ? writer.type(schema, io) : 'undefined');
    return `  ${name}: {
    params: ${type(o.params, 'output')};
    query: ${type(o.query, 'output')};
    body: ${type(o.body, 'input')};
    response: ${o.response ? writer.type(o.response, 'output') : 'void'};
  };`;
  });
  return [
    '/** The shapes of the API, written from its contracts when the client is built. */',
    ...parts,
    JSON_TYPE,
    ...writer.declarations(),
    `/** Every operation by name: what it takes, what it answers. */\nexport interface Operations {\n${operations.join('\n')}\n}`,
    '',
  ].join('\n');
}

class Writer {
  #declared = new Map();
  #texts = new Map();
  /** Ids whose text is being written: a schema that refers to itself has one name for input and output. */
  #open = new Set();

  /** A type expression for a schema; whatever has an id becomes a declaration of its own. */
  type(schema, io, indent = '    ') {
    const jsonSchema = z.toJSONSchema(schema, {
      io,
      unrepresentable: 'any',
      reused: 'inline',
      cycles: 'ref',
    });
    const { $defs = {}, ...root } = jsonSchema;
    return this.#print(root, io, $defs, indent);
  }

  /** Declares a schema under the name by which the client imports it. */
  named(name, schema, io) {
    const text = this.type(schema, io, '');
    if (text !== name) this.#declare(name, text, schema.meta?.()?.description);
  }

  declarations() {
    return [...this.#declared.values()];
  }

  #declare(name, text, description) {
    const known = this.#texts.get(name);
    if (known !== undefined && known !== text) throw new Error(`two shapes are called ${name}`);
    if (known !== undefined) return;
    this.#texts.set(name, text);
    const doc = description ? `/** ${description} */\n` : '';
    this.#declared.set(name, `${doc}export type ${name} = ${text};`);
  }

  /** The name of a schema with an id, declaring it on first sight. */
  #reference(id, schema, io, defs) {
    if (id.startsWith('__schema')) return 'JsonValue';
    if (this.#open.has(id)) return id;
    const { description } = schema;
    this.#open.add(id);
    const text = this.#print({ ...schema, id: undefined }, io, defs, '');
    this.#open.delete(id);
    const known = this.#texts.get(id);
    // The output keeps the plain name. When the input was seen first and differs, it takes the longer one.
    const name =
      io === 'output' || known === text || (known === undefined && this.#sameAsOutput(id, text))
        ? id
        : `${id}Input`;
    this.#declare(name, text, description);
    return name;
  }

  #sameAsOutput(id, text) {
    const options = { io: 'output', unrepresentable: 'any', reused: 'inline' };
    const { $defs = {}, ...root } = z.toJSONSchema(contracts[id], options);
    const schema = root.$ref ? $defs[id] : root;
    const writer = new Writer();
    writer.#open.add(id);
    return writer.#print({ ...schema, id: undefined }, 'output', $defs, '') === text;
  }

  #print(schema, io, defs, indent) {
    if (schema.$ref) {
      const id = schema.$ref.replace('#/$defs/', '');
      if (schema.$ref === '#') throw new Error('a schema refers to itself');
      return this.#reference(id, defs[id] ?? {}, io, defs);
    }
    if (schema.id) return this.#reference(schema.id, schema, io, defs);
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return union(schema.enum);
    const options = schema.anyOf ?? schema.oneOf;
    if (options) return [...new Set(options.map((o) => this.#print(o, io, defs, indent)))].join(' | ');
    if (schema.allOf) return schema.allOf.map((o) => this.#print(o, io, defs, indent)).join(' & ');
    if (Array.isArray(schema.type))
      return schema.type.map((type) => this.#print({ ...schema, type }, io, defs, indent)).join(' | ');
    switch (schema.type) {
      case 'string':
      case 'boolean':
      case 'null':
        return schema.type;
      case 'integer':
      case 'number':
        return 'number';
      case 'array': {
        if (schema.prefixItems)
          return `[${schema.prefixItems.map((one) => this.#print(one, io, defs, indent)).join(', ')}]`;
        const items = schema.items ?? {};
        const item = this.#print(items, io, defs, indent);
        const several = items.anyOf ?? items.oneOf ?? items.allOf ?? items.enum ?? Array.isArray(items.type);
        return several && !items.id ? `(${item})[]` : `${item}[]`;
      }
      case 'object':
        return this.#object(schema, io, defs, indent);
      default:
        return 'unknown';
    }
  }

  #object(schema, io, defs, indent) {
    if (!schema.properties)
      return `Record<string, ${this.#print(schema.additionalProperties || {}, io, defs, indent)}>`;
    const inner = `${indent}  `;
    const fields = Object.entries(schema.properties).map(([name, field]) => {
      const doc = field.description ? `${inner}/** ${field.description} */\n` : '';
      const key = /^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name);
      const optional = schema.required?.includes(name) ? '' : '?';
      const type = this.#print(field, io, defs, inner);
      return `${doc}${inner}${key}${optional}: ${type}${optional ? ' | undefined' : ''};`;
    });
    return `{\n${fields.join('\n')}\n${indent}}`;
  }
}

function union(values) {
  return values.map((value) => JSON.stringify(value)).join(' | ');
}
