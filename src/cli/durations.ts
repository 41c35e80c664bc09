/**
 * Durations as people type them: `250ms 15s 5m 1h`, and `ttl/5` where the ttl is known. A bare number is refused: half
 * of all tools mean seconds by it, the other half milliseconds.
 */

import { describeValue } from '../errors.ts'
import { usage } from './exit-codes.ts'

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Whole milliseconds. `ttlMs` given, fractions of it are understood too. Throws a `Refusal` that names the option. */
export function durationMs(option: string, text: string, ttlMs?: number): number {
  const ms = parsed(text, ttlMs)
  if (ms !== undefined && Number.isSafeInteger(ms)) return ms
  const fraction = ttlMs === undefined ? '' : ', or a part of the ttl like ttl/5'
  const hint = /^\d+(\.\d+)?$/.test(text) ? `: a number needs its unit, ${text}s or ${text}ms` : ''
  throw usage(`Expected \`${option}\` to be a duration like 250ms, 15s, 5m or 1h${fraction}, got ${describeValue(text)}${hint}`)
}

function parsed(text: string, ttlMs: number | undefined): number | undefined {
  const [, amount, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text) ?? []
  if (amount !== undefined) return Math.round(Number(amount) * (unitMs[unit] ?? Number.NaN))
  const [whole, parts] = /^ttl(?:\/(\d+(?:\.\d+)?))?$/.exec(text) ?? []
  if (whole === undefined || ttlMs === undefined) return undefined
  return Math.floor(ttlMs / Number(parts ?? 1))
}

/** The same, for people: `1h2m`, `11.85s`, `250ms`. */
export function durationText(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`
  if (ms < 60_000) return `${Math.round(ms / 10) / 100}s`
  const seconds = Math.round(ms / 1000)
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60]
  if (days > 0) return `${days}d${hours}h`
  return hours > 0 ? `${hours}h${minutes}m` : `${minutes}m${seconds % 60}s`
}
