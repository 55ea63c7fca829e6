/** Compares what is mounted with the contract at boot: an operation without a handler, or with two, stops the start. */
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import type { INestApplication } from '@nestjs/common';
import { operations } from '@carillon/contracts';
import { OPERATION } from './metadata.js';

/** @throws Error with a sentence per operation */
export function checkOperations(app: INestApplication): void {
  const scanner = new MetadataScanner();
  const found = new Map<string, string[]>();
  for (const module of app.get(ModulesContainer).values())
    for (const { instance, name } of module.controllers.values()) {
      const prototype: object | null = instance ? Object.getPrototypeOf(instance) : null;
      if (!prototype) continue;
      for (const method of scanner.getAllMethodNames(prototype)) {
        const operation: unknown = Reflect.getMetadata(OPERATION, Reflect.get(prototype, method) as object);
        if (typeof operation === 'string')
          found.set(operation, [...(found.get(operation) ?? []), `${String(name)}.${method}`]);
      }
    }
  const sentences = Object.keys(operations).flatMap((name) => {
    const handlers = found.get(name) ?? [];
    if (handlers.length === 0)
      return [`Nothing answers the operation ${name}: add @Operation('${name}') to a controller.`];
    return handlers.length > 1
      ? [`The operation ${name} has several handlers: ${handlers.join(', ')}. Keep one.`]
      : [];
  });
  if (sentences.length > 0) throw new Error(sentences.join('\n'));
}
