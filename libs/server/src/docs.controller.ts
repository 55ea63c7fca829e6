/** The API's description: /openapi.json for machines, /docs for people (Swagger UI, served from here, no CDN). */
import { Controller, Get, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { openApi, type OpenApiDocument } from './openapi.js';
import { Public } from './operation.js';
import { allowPage } from './security-headers.js';

@Public()
@Controller()
export class DocsController {
  private document: OpenApiDocument | undefined;

  @Get('openapi.json')
  openapi(): OpenApiDocument {
    return (this.document ??= openApi());
  }

  @Get('docs')
  docs(@Res({ passthrough: true }) reply: FastifyReply): string {
    const nonce = allowPage(reply);
    return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Carillon API</title>
  <link rel="stylesheet" href="/docs/ui/swagger-ui.css">
  <link rel="icon" href="data:,">
  <style nonce="${nonce}">body { margin: 0 } .swagger-ui .topbar { display: none }</style>
</head>
<body>
  <div id="docs"></div>
  <script src="/docs/ui/swagger-ui-bundle.js"></script>
  <script nonce="${nonce}">
    SwaggerUIBundle({ url: '/openapi.json', dom_id: '#docs', deepLinking: true, validatorUrl: null, tryItOutEnabled: true, docExpansion: 'list' });
  </script>
</body>
</html>
`;
  }
}
