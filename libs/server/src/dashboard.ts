/**
 * Serves the dashboard's build: files by name, and its one page for every address that a person may open. Until it has
 * been built, a page that says so.
 */
import { Controller, Get, Inject, Module, Req, Res, type DynamicModule } from '@nestjs/common';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Public } from './operation.js';
import { noSuchRoute } from './routes.js';
import { allowPage } from './security-headers.js';

const FOLDER = 'carillon:dashboard';
/** Stands in the built index.html where the nonce of the answer goes (Vite's `html.cspNonce`). */
const PLACEHOLDER = /__CSP_NONCE__/g;

/**
 * Files under assets/ have a hash in their name and never change; the rest is asked for each time.
 * @param only the names to serve; without it, all but the page and source maps
 */
export async function serveFiles(
  fastify: FastifyInstance,
  root: string,
  prefix: string,
  only?: readonly string[],
): Promise<void> {
  if (!existsSync(root)) return;
  await fastify.register(fastifyStatic, {
    root,
    prefix,
    wildcard: false,
    index: false,
    decorateReply: false,
    globIgnore: only ? [`!(${only.join('|')})`] : ['index.html', '**/*.map'],
    cacheControl: false,
    setHeaders: (response, file) => {
      response.setHeader(
        'cache-control',
        path.basename(path.dirname(file)) === 'assets' ? 'public, max-age=31536000, immutable' : 'no-cache',
      );
    },
  });
}

@Public()
@Controller()
class DashboardController {
  private page: string | undefined;

  constructor(@Inject(FOLDER) private readonly folder: string) {}

  @Get('/')
  home(@Res({ passthrough: true }) reply: FastifyReply): string {
    return this.html(reply);
  }

  /** The dashboard routes in the browser: every address without an answer of its own is its page. */
  @Get('*')
  any(@Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply): string {
    const wantsPage = (request.headers.accept ?? '').includes('text/html');
    if (!wantsPage || /^\/(v1|health|metrics|docs|openapi|assets|u)([/.?]|$)/.test(request.url))
      throw noSuchRoute(request);
    return this.html(reply);
  }

  private html(reply: FastifyReply): string {
    const nonce = allowPage(reply);
    const file = path.join(this.folder, 'index.html');
    if (this.page === undefined && existsSync(file)) this.page = readFileSync(file, 'utf8');
    return this.page === undefined ? notBuilt(nonce) : this.page.replace(PLACEHOLDER, nonce);
  }
}

const notBuilt = (nonce: string): string => `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Carillon</title>
  <link rel="icon" href="data:,">
  <style nonce="${nonce}">
    :root { color-scheme: light dark }
    body { font: 16px/1.6 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto; padding: 0 1.5rem }
    code { font-size: .95em; padding: .1em .35em; border-radius: 4px; background: light-dark(#eee, #333) }
  </style>
</head>
<body>
  <h1>Carillon is running</h1>
  <p>The API answers. The dashboard has not been built yet: run <code>npm run build</code>, then start again.</p>
  <p>Meanwhile, the <a href="/docs">API documentation</a> shows what it can do.</p>
</body>
</html>
`;

@Module({})
export class DashboardModule {
  /** @param folder of the build; need not exist */
  static at(folder: string): DynamicModule {
    return {
      module: DashboardModule,
      controllers: [DashboardController],
      providers: [{ provide: FOLDER, useValue: folder }],
    };
  }
}
