/** Who has to approve of a campaign before it starts, and who may not. Pure. */
import type { ApprovalBy, CampaignDefinition, Policies, Role } from '@carillon/contracts';

/** @returns null when nobody has to. `people`: as preparing counted them */
export function approvalBy(
  policy: Policies['approvals'],
  definition: CampaignDefinition,
  people: number,
): ApprovalBy | null {
  if (policy === undefined || policy === 'none') return null;
  if (policy === 'another_person') return {};
  const { channels, class: messageClass, topic, audience, variants } = definition;
  const all = new Set([...channels, ...variants.flatMap((v) => v.channels ?? [])]);
  const rule = policy.find(
    ({ when }) =>
      (when.channels?.some((channel) => all.has(channel)) ?? true) &&
      (when.classes?.includes(messageClass) ?? true) &&
      (when.topics?.includes(topic ?? '') ?? true) &&
      (when.audiences?.some((key) => key === audience) ?? true) &&
      people > (when.morePeopleThan ?? -1),
  );
  return rule ? rule.by : null;
}

/** Who asks: a person has a role and an address, a key has neither. */
export interface Approver {
  actor: string;
  role: Role | null;
  email: string | null;
}

/** Null when they may; else why not, in a sentence. */
export function mayNotApprove({ roles, people }: ApprovalBy, who: Approver, author: string): string | null {
  if (who.actor === author) return 'You wrote it, so somebody else has to approve of it.';
  if (!roles && !people) return null;
  const named = who.email !== null && people?.some((one) => one.toLowerCase() === who.email?.toLowerCase());
  if (named || (who.role !== null && roles?.includes(who.role))) return null;
  return `It has to be approved of by ${approverWords({ roles, people })}.`;
}

/** `an owner, or ada@example.com`. */
export const approverWords = ({ roles = [], people = [] }: ApprovalBy): string =>
  [...roles.map((role) => (role === 'viewer' ? 'a viewer' : `an ${role}`)), ...people].join(' or ') ||
  'somebody who did not write it';
