/**
 * A caller that costs next to nothing: on two cores a generator takes its part from what it measures. Speaks as much HTTP/1.1 as the
 * API's answers need: keep-alive, a content length, one request at a time on each connection.
 */
import { connect } from 'node:net';

/**
 * @param {string} url of the server
 * @param {{ connections: number, headers: Record<string, string> }} options `headers` go with each request
 * @returns {(method: string, path: string, body?: string) => Promise<{ status: number, text: string, ms: number }>} status 0
 * when the connection broke before the answer; who asks while all are busy waits, and `ms` counts from then on
 */
export function caller(url, { connections, headers }) {
  const { hostname, port, host } = new URL(url);
  const fixed = Object.entries({ host, ...headers })
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const idle = [];
  const waiting = [];
  let open = 0;

  const begin = (connection, request) => {
    connection.request = request;
    connection.socket.write(request.bytes);
  };
  const add = () => {
    open += 1;
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    const connection = { socket, request: undefined, came: '' };
    socket.setEncoding('latin1');
    socket.on('data', (text) => {
      const answer = read((connection.came += text));
      if (!answer) return;
      const { request } = connection;
      connection.came = '';
      connection.request = undefined;
      const next = waiting.shift();
      if (next) begin(connection, next);
      else idle.push(connection);
      request.resolve({ ...answer, ms: performance.now() - request.from });
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      open -= 1;
      const at = idle.indexOf(connection);
      if (at >= 0) idle.splice(at, 1);
      const { request } = connection;
      request?.resolve({
        status: 0,
        text: 'the connection broke before the answer',
        ms: performance.now() - request.from,
      });
    });
    return connection;
  };

  return (method, path, body) =>
    new Promise((resolve) => {
      const length = body === undefined ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`;
      const bytes = `${method} ${path} HTTP/1.1\r\n${fixed}${length}\r\n${body ?? ''}`;
      const request = { bytes, resolve, from: performance.now() };
      const connection = idle.pop() ?? (open < connections ? add() : undefined);
      if (connection) begin(connection, request);
      else waiting.push(request);
    });
}

/** @returns the answer, when all of it is there */
function read(came) {
  const end = came.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const head = came.slice(0, end);
  const status = Number(head.slice(9, 12));
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined && status !== 204) throw new Error(`an answer without its length: ${head}`);
  if (came.length < end + 4 + Number(length ?? 0)) return undefined;
  return { status, text: Buffer.from(came.slice(end + 4), 'latin1').toString() };
}
