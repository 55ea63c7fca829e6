/** Is who sends who it says it is, to those who receive? What DNS has to say for it, judged. Pure. */

/** Whose name stands on the mails of an account. */
export interface SenderIdentity {
  domain: string;
  /** The TXT record that makes its signatures count; null where it does not sign here. */
  dkim: { name: string; value: string } | null;
}
/** What DNS says; null where it could not be asked. */
export interface SenderRecords {
  dkim: readonly string[] | null;
  /** Of the domain, and of the one above it. */
  dmarc: readonly string[] | null;
  spf: readonly string[] | null;
}

const keyOf = (record: string): string | undefined =>
  /(?:^|;)\s*p=([^;]*)/.exec(record)?.[1]?.replace(/\s/g, '');

/** Errors are certain: mails would be signed by a key that nobody can find. */
export function senderFaults(
  { domain, dkim }: SenderIdentity,
  records: SenderRecords,
): { level: 'error' | 'warning'; message: string }[] {
  const faults: { level: 'error' | 'warning'; message: string }[] = [];
  if (dkim && records.dkim) {
    const publish = `publish ${dkim.name} TXT "${dkim.value}"`;
    if (records.dkim.length === 0)
      faults.push({
        level: 'error',
        message: `Mails are signed for ${domain} with a key that DNS does not have: ${publish}.`,
      });
    else if (!records.dkim.some((one) => keyOf(one) === keyOf(dkim.value)))
      faults.push({
        level: 'error',
        message: `Mails are signed for ${domain} with another key than DNS has: ${publish}.`,
      });
  }
  const lacks = [
    ...(records.spf?.every((one) => !/^v=spf1(\s|$)/i.test(one)) ? ['SPF'] : []),
    ...(records.dmarc?.every((one) => !/^v=DMARC1\s*(;|$)/i.test(one)) ? ['DMARC'] : []),
  ];
  if (lacks.length > 0)
    faults.push({
      level: 'warning',
      message: `${domain} has no record for ${lacks.join(' and ')} in DNS: large mailboxes refuse such mails, or call them spam.`,
    });
  return faults;
}
