export interface RenderedEmail {
  /** Instead of the account's sender. */
  from: string | null;
  replyTo: string | null;
  subject: string;
  html: string | null;
  text: string;
  attachments: { filename: string; contentType: string; content: string }[];
}
