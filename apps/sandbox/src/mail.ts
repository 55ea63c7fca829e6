/**
 * Reads the bytes of a mail into what a mailbox shows. Called by the ring when somebody looks, never on arrival.
 * Inline images (cid:) come out as data: URLs, so that the HTML part can be shown alone.
 */
export interface Mail {
  subject: string;
  /** The From header as people read it, decoded. */
  sender: string;
  /** All header fields by lower-case name, unfolded, as they were sent (not decoded); repeats joined by a newline. */
  header: Record<string, string>;
  html: string | null;
  /** The text part; empty when there is none. */
  text: string;
  attachments: { filename: string; contentType: string; size: number }[];
}

/** Never rejects: a mail that cannot be read is shown as one, and must not hide the others. */
export async function parseMail(raw: Buffer): Promise<Mail> {
  try {
    return await readMail(raw);
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unknown reason';
    const text = `This mail cannot be read: ${why}. Its source shows what was sent.`;
    return { subject: '(unreadable)', sender: '', header: {}, html: null, text, attachments: [] };
  }
}

async function readMail(raw: Buffer): Promise<Mail> {
  // Loaded at the first look: it takes a third of the sandbox's start, and load tests never need it.
  const { simpleParser } = await import('mailparser');
  const mail = await simpleParser(raw, { skipTextToHtml: true, skipHtmlToText: true });
  const header: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const { key, line } of mail.headerLines) {
    const value = line
      .slice(line.indexOf(':') + 1)
      .replace(/\r?\n(?=[ \t])/g, '')
      .trim();
    header[key] = key in header ? `${header[key]}\n${value}` : value;
  }
  return {
    subject: mail.subject ?? '',
    sender: mail.from?.text ?? '',
    header,
    html: mail.html || null,
    text: mail.text ?? '',
    attachments: mail.attachments.map((a) => ({
      filename: a.filename ?? 'unnamed',
      contentType: a.contentType,
      size: a.size,
    })),
  };
}
