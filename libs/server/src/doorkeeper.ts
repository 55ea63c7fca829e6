/**
 * Decides who is calling and whether they may: API key, session cookie or inbox token, then the scope the operation
 * asks for, then the rate. Default deny: a route that is neither an operation nor marked @Public is refused.
 */
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { operations, type Auth, type Operation, type OperationName } from '@carillon/contracts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiKeys } from './api-keys.js';
import type { Caller } from './caller.js';
import { checkCsrf, isUnsafe } from './csrf.js';
import { verifyInboxToken } from './inbox-token.js';
import { OPERATION, PUBLIC } from './metadata.js';
import { ProblemException } from './problem.js';
import { RateLimit } from './rate-limit.js';
import { setCaller, setWelcome } from './request-state.js';
import { Sessions, sessionCookieOf } from './sessions.js';

@Injectable()
export class Doorkeeper implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly apiKeys: ApiKeys,
    private readonly sessions: Sessions,
    private readonly rateLimit: RateLimit,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (context.getType() !== 'http') return true;
    const name = this.reflector.get<OperationName | undefined>(OPERATION, context.getHandler());
    if (name === undefined) {
      if (
        this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC, [
          context.getHandler(),
          context.getClass(),
        ])
      )
        return true;
      throw new ProblemException('forbidden', 'This address is not open to anyone.');
    }
    const request = context.getArgByIndex<FastifyRequest>(0);
    const reply = context.getArgByIndex<FastifyReply>(1);
    const operation: Operation = operations[name];
    const caller = await this.admit(operation, request);
    if (caller) setCaller(request, caller);
    if (operation.produces === 'text/event-stream')
      setWelcome(request, () => this.stillWelcome(operation, request));
    this.rateLimit.take(rateKey(caller, request), reply);
    return true;
  }

  /** Whether the credentials of an open stream still hold. */
  private async stillWelcome(operation: Operation, request: FastifyRequest): Promise<boolean> {
    try {
      await this.admit(operation, request);
      return true;
    } catch (error) {
      if (error instanceof ProblemException) return false;
      throw error;
    }
  }

  /** @throws ProblemException unauthenticated, forbidden or csrf */
  private async admit(operation: Operation, request: FastifyRequest): Promise<Caller | null> {
    if (operation.auth === 'none') return null;
    const caller = await this.identify(operation.auth, request);
    if (!caller) throw unauthenticated(operation.auth, request);
    if (caller.kind === 'user' && isUnsafe(request.method)) checkCsrf(request, caller.csrfToken);
    authorise(operation.auth, caller);
    return caller;
  }

  private async identify(auth: Auth, request: FastifyRequest): Promise<Caller | null> {
    const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (auth === 'inbox-token') return bearer ? verifyInboxToken(bearer) : null;
    if (bearer !== undefined) return this.apiKeys.identify(bearer);
    const cookie = sessionCookieOf(request);
    return cookie === undefined ? null : this.sessions.identify(cookie);
  }
}

function authorise(auth: Auth, caller: Caller): void {
  if (auth === 'session' && caller.kind !== 'user')
    throw new ProblemException('forbidden', 'This needs a person who is signed in, not an API key.');
  if (typeof auth !== 'object' || caller.kind === 'inbox') return;
  if (!caller.scopes.includes(auth.scope)) {
    const who = caller.kind === 'key' ? 'This API key' : `The role ${caller.role}`;
    throw new ProblemException('forbidden', `${who} does not have the scope ${auth.scope}.`);
  }
}

function unauthenticated(auth: Auth, request: FastifyRequest): ProblemException {
  const given = request.headers.authorization !== undefined;
  const what =
    auth === 'inbox-token'
      ? given
        ? 'This inbox token is not valid or has expired: mint a new one on your server.'
        : 'Send an inbox token in the header  Authorization: Bearer <token>.'
      : given
        ? 'This API key is not valid: it was mistyped, revoked, or has expired.'
        : auth === 'session'
          ? 'Sign in first.'
          : 'Send an API key in the header  Authorization: Bearer ck_…, or sign in.';
  return new ProblemException('unauthenticated', what, {
    headers: { 'www-authenticate': given ? 'Bearer error="invalid_token"' : 'Bearer' },
  });
}

const rateKey = (caller: Caller | null, request: FastifyRequest): string => {
  if (!caller) return `ip:${request.ip}`;
  if (caller.kind === 'key') return `key:${caller.keyId}`;
  return caller.kind === 'user' ? `user:${caller.userId}` : `inbox:${caller.profileId}`;
};
