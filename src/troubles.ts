/**
 * Where trouble is told: to listeners, to the logger, and to the process if there is neither, so that nothing fails in
 * silence and nothing floods a log.
 */

import type { Clock } from './clock.ts'
import type { TenureError, TenureErrorCode } from './errors.ts'
import { type Logger, warn } from './options.ts'

/** A code that has been logged is only counted for so long. */
const QUIET_MS = 60_000

export interface TroubleTeller {
  /** Pass an error to the listeners; says whether there were any. */
  told(error: TenureError): boolean
}

export class Troubles {
  readonly #clock: Clock
  readonly #logger: Logger | undefined
  readonly #teller: TroubleTeller
  /** By code; made at the first trouble, which most never have. */
  #logged: Map<TenureErrorCode, { at: number; repeats: number }> | undefined
  #warned: Set<TenureErrorCode> | undefined

  constructor(clock: Clock, logger: Logger | undefined, teller: TroubleTeller) {
    this.#clock = clock
    this.#logger = logger
    this.#teller = teller
  }

  report(error: TenureError, fields: Record<string, unknown>): void {
    const heard = this.#teller.told(error)
    if (this.#logger) return this.#log(this.#logger, error, fields)
    if (heard || this.#warned?.has(error.code)) return
    this.#warned ??= new Set()
    this.#warned.add(error.code)
    warn(undefined, error.message, error.code)
  }

  #log(logger: Logger, error: TenureError, fields: Record<string, unknown>): void {
    const now = this.#clock.mono()
    this.#logged ??= new Map()
    const last = this.#logged.get(error.code)
    if (last && now - last.at < QUIET_MS) {
      last.repeats += 1
      return
    }
    this.#logged.set(error.code, { at: now, repeats: 0 })
    logger.warn(error.message, { ...fields, code: error.code, ...(last && last.repeats > 0 && { repeats: last.repeats }) })
  }
}
