/**
 * A logger made of pino, or of any other that wants its fields first and the message second: handed over as it is, it
 * would drop one of the two.
 */

import type { Logger } from '../options.ts'
import { checkMethods } from '../options.ts'

/** What is needed of a logger of pino. */
export interface PinoLogger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** For the option `logger`: `new Candidate({ logger: fromPino(log), ... })`. Throws a `TenureError` of code `bad-option`. */
export function fromPino(log: PinoLogger): Logger {
  checkMethods('log', log, ['debug', 'info', 'warn', 'error'])
  return {
    debug: (message, fields = {}) => log.debug(fields, message),
    info: (message, fields = {}) => log.info(fields, message),
    warn: (message, fields = {}) => log.warn(fields, message),
    error: (message, fields = {}) => log.error(fields, message),
  }
}
