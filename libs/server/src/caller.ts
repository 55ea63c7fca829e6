/** Who is calling, as handlers see it. Made by the guard from the credentials of the request; never from its body. */
import type { OperationName, operations, Role, Scope } from '@carillon/contracts';

/** A server of the workspace, with an API key. */
export interface KeyCaller {
  kind: 'key';
  workspaceId: string;
  keyId: string;
  scopes: readonly Scope[];
}
/** A person signed in to the dashboard. */
export interface UserCaller {
  kind: 'user';
  workspaceId: string;
  userId: string;
  role: Role;
  scopes: readonly Scope[];
  /** SHA-256 of the session cookie, in hex. */
  session: string;
  csrfToken: string;
}
/** A browser that reads the inbox of one profile. */
export interface InboxCaller {
  kind: 'inbox';
  workspaceId: string;
  profileId: string;
  expiresAt: Date;
}
export type Caller = KeyCaller | UserCaller | InboxCaller;

/** Which callers an operation may meet, by its `auth`. */
export type CallerOf<N extends OperationName> = (typeof operations)[N]['auth'] extends 'none'
  ? null
  : (typeof operations)[N]['auth'] extends 'inbox-token'
    ? InboxCaller
    : (typeof operations)[N]['auth'] extends 'session'
      ? UserCaller
      : KeyCaller | UserCaller;
