/**
 * A mail server that costs next to nothing: takes everything, keeps nothing, offers PIPELINING. In a process of its own.
 * Reports `{ port }`; asked anything, tells `{ mails, bytes, cpuUs }` since it was asked before.
 */
import { createServer } from 'node:net';

let [mails, bytes, cpu] = [0, 0, process.cpuUsage()];
const END = Buffer.from('\r\n.\r\n');
const EHLO = '250-sink\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-SMTPUTF8\r\n250 8BITMIME\r\n';

const server = createServer({ noDelay: true }, (socket) => {
  let line = '';
  let body = false;
  let tail = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.write('220 sink\r\n');
  socket.on('data', (chunk) => {
    let out = '';
    bytes += chunk.length;
    while (chunk.length > 0) {
      if (body) {
        // The end may lie across two chunks.
        let at = -1;
        if (tail.length > 0) {
          const joined = Buffer.concat([tail, chunk.subarray(0, 4)]);
          const found = joined.indexOf(END);
          if (found !== -1) at = found + END.length - tail.length;
        }
        if (at === -1) {
          const found = chunk.indexOf(END);
          at = found === -1 ? -1 : found + END.length;
        }
        if (at === -1) {
          tail = chunk.length >= 4 ? chunk.subarray(-4) : Buffer.concat([tail, chunk]).subarray(-4);
          break;
        }
        mails++;
        body = false;
        tail = Buffer.alloc(0);
        out += '250 2.0.0 taken\r\n';
        chunk = chunk.subarray(at);
        continue;
      }
      const end = chunk.indexOf(10);
      if (end === -1) {
        line += chunk.latin1Slice();
        break;
      }
      line += chunk.latin1Slice(0, end);
      chunk = chunk.subarray(end + 1);
      const verb = line.slice(0, 4).toUpperCase();
      line = '';
      body = verb === 'DATA';
      out +=
        verb === 'EHLO'
          ? EHLO
          : body
            ? '354 go on\r\n'
            : verb === 'QUIT'
              ? '221 bye\r\n'
              : '250 2.1.0 ok\r\n';
    }
    if (out) socket.write(out);
  });
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
process.on('message', () => {
  const { user, system } = process.cpuUsage(cpu);
  process.send({ answer: { mails, bytes, cpuUs: user + system } });
  [mails, bytes, cpu] = [0, 0, process.cpuUsage()];
});
process.on('disconnect', () => process.exit());
