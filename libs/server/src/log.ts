/**
 * Logs: one line per entry whatever stands in it; JSON in production, short lines for people in development. Entries
 * are sentences and ids; addresses, bodies and tokens are never handed to the logger (S27).
 */
import { ConsoleLogger, type LogLevel } from '@nestjs/common';
import { config } from '@carillon/config';

const graver: LogLevel[] = ['verbose', 'debug', 'log', 'warn', 'error', 'fatal'];
/** Nest's own account of its start-up: interesting to nobody who runs this. */
const chatty = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
  'NestMicroservice',
]);
const bearing = /\b(ck_[a-z]+_[a-z0-9]{12})_[A-Za-z0-9_-]{43}/g;
/** We hand no address to the logger, but an error of a client library, or its stack, may quote one. */
const mailAddress = /[\w.%+-]+@([\w-]+\.)+[a-z]{2,}/gi;
const phoneNumber = /\+\d{7,15}\b/g;

export class ServiceLogger extends ConsoleLogger {
  private readonly json: boolean;

  constructor(private readonly service: string) {
    const { mode, log } = config();
    const json = mode === 'production';
    super({
      json,
      compact: true,
      colors: !json && process.stdout.isTTY === true,
      logLevels: graver.slice(graver.indexOf(log.level)),
    });
    this.json = json;
  }

  override log(message: unknown, ...rest: unknown[]): void {
    const context = rest.at(-1);
    if (typeof context === 'string' && chatty.has(context)) return;
    super.log(message, ...rest);
  }

  // An error handed over whole would bring its own fields along, and PostgreSQL's hold values.
  override warn(message: unknown, ...rest: unknown[]): void {
    super.warn(clean(message), ...rest);
  }
  override error(message: unknown, ...rest: unknown[]): void {
    super.error(clean(message), ...rest.map(withoutPeople));
  }
  override fatal(message: unknown, ...rest: unknown[]): void {
    super.fatal(clean(message), ...rest.map(withoutPeople));
  }

  protected override getJsonLogObject(
    message: unknown,
    options: Parameters<ConsoleLogger['getJsonLogObject']>[1],
  ): ReturnType<ConsoleLogger['getJsonLogObject']> {
    return { service: this.service, ...super.getJsonLogObject(clean(message), options) } as ReturnType<
      ConsoleLogger['getJsonLogObject']
    >;
  }

  protected override formatMessage(
    level: LogLevel,
    message: unknown,
    _pid: string,
    _formatted: string,
    context: string,
  ): string {
    const time = new Date().toTimeString().slice(0, 8);
    const where = context.replace(/[\u001b[\]0-9;m]*$/g, '').trim();
    const text = this.stringifyMessage(clean(message), level);
    return `${this.colorize(`${time} ${this.service}`, level)} ${where ? `${where} ` : ''}${String(text)}\n`;
  }
}

/** One line, no control characters, and no key should one slip in. Everything but text and plain data is named only. */
function clean(message: unknown): unknown {
  if (typeof message === 'string')
    return withoutPeople(
      message.replace(/[\u0000-\u001f\u007f\u2028\u2029]+/g, ' ').replace(bearing, '$1_…'),
    );
  if (message instanceof Error) return clean(`${message.name}: ${message.message}`);
  return message;
}

function withoutPeople(part: unknown): unknown {
  return typeof part === 'string' ? part.replace(mailAddress, '…@…').replace(phoneNumber, '+…') : part;
}
