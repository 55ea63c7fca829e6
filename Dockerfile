# syntax=docker/dockerfile:1.7-labs
# One image, roles chosen at start: `docker run carillon api`, see tools/role.mjs.
FROM node:22-bookworm-slim AS build
WORKDIR /carillon
# Packages first: they change less often than the code. Manifests only, so that the layer is kept.
COPY package.json package-lock.json .npmrc ./
COPY --parents apps/*/package.json libs/*/package.json libs/*/*/package.json ./
RUN npm ci --ignore-scripts --loglevel=error
COPY . .
RUN node tools/build.mjs && npm prune --omit=dev --ignore-scripts --loglevel=error

FROM node:22-bookworm-slim
ENV NODE_ENV=production NODE_OPTIONS="--enable-source-maps --max-semi-space-size=32"
WORKDIR /carillon
COPY --from=build --chown=root:root /carillon ./
# Nothing it runs writes into the image; state is in PostgreSQL.
USER node
# The flags: see tools/service-process.mjs.
ENTRYPOINT ["node", "--min-semi-space-size=32", "--max-semi-space-size=32", "--no-parallel-scavenge", "tools/role.mjs"]
CMD ["api"]
