/**
 * A provider that costs next to nothing: speaks as much HTTP/1.1 as a keep-alive client needs and answers every POST as
 * Twilio answers a created message. In a process of its own. Reports `{ url }`; asked anything, tells
 * `{ requests, arrivals }`: how many, and when each order came (milliseconds since 1970), by its number, since it was asked to `{ note: true }`.
 */
import { createServer } from 'node:net';

let requests = 0;
let arrivals;
const head =
  'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\nconnection: keep-alive\r\ncontent-length: ';
function answer() {
  const sid = `SM${(++requests).toString(16).padStart(32, '0')}`;
  const body = `{"sid":"${sid}","status":"queued","num_segments":"1","error_code":null,"error_message":null}`;
  return `${head}${body.length}\r\n\r\n${body}`;
}

const server = createServer({ noDelay: true }, (socket) => {
  let waiting = '';
  socket.setEncoding('latin1');
  socket.on('error', () => {});
  socket.on('data', (text) => {
    waiting = waiting ? waiting + text : text;
    let out = '';
    for (;;) {
      const end = waiting.indexOf('\r\n\r\n');
      if (end < 0) break;
      const length = Number(/content-length: *(\d+)/i.exec(waiting.slice(0, end))?.[1] ?? 0);
      if (waiting.length < end + 4 + length) break;
      const order = arrivals && /Order(?:%20|\+)(\d+)/.exec(waiting.slice(end + 4, end + 4 + length));
      if (order) arrivals.push([Number(order[1]), performance.timeOrigin + performance.now()]);
      waiting = waiting.slice(end + 4 + length);
      out += answer();
    }
    if (out) socket.write(out);
  });
});
server.listen(0, '127.0.0.1', () => process.send({ url: `http://127.0.0.1:${server.address().port}` }));
process.on('message', ({ note }) => {
  process.send({ answer: { requests, arrivals } });
  arrivals = note ? [] : undefined;
});
process.on('disconnect', () => process.exit());
