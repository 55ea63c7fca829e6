/**
 * Shows mail inside the dashboard as it is: inline styles and, when asked for, remote pictures. The dashboard's own
 * policy allows neither, and a `srcdoc` frame inherits it; so the dashboard posts the HTML here from a form whose target
 * is a sandboxed frame, and gets it back under a policy of its own: no scripts, no origin, no forms, nothing kept (S17).
 */
import { Controller, HttpCode, Post, Req, Res } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { checkSameSite } from './csrf.js';
import { Public } from './operation.js';
import { ProblemException } from './problem.js';
import { sessionCookieOf, Sessions } from './sessions.js';

@Public()
@Controller()
export class MailFrameController {
  constructor(private readonly sessions: Sessions) {}

  /** Form fields: `html`, and `images=1` to load remote pictures. */
  @Post('mail-frame')
  @HttpCode(200)
  async frame(
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    // Only our own page, for somebody signed in: nobody else may have text of theirs shown under our address.
    checkSameSite(request);
    const cookie = sessionCookieOf(request);
    if (cookie === undefined || !(await this.sessions.identify(cookie)))
      throw new ProblemException('unauthenticated', 'Sign in first.');
    const form = new URLSearchParams(Buffer.from(request.body as Uint8Array).toString('utf8'));
    const pictures = form.get('images') === '1' ? ' https: http:' : '';
    reply.headers({
      'content-security-policy': `sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src data:${pictures}; font-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`,
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    });
    reply.type('text/html; charset=utf-8');
    return form.get('html') ?? '';
  }
}
