/**
 * What etcd's refusals and the failures of `fetch` mean to us. A message names the host and never a password or a token.
 */

import { messageOf, TenureError } from '../../errors.ts'

/** This endpoint cannot serve now; another may. Nobody knows whether the request took effect. */
export class Elsewhere extends Error {
  override readonly name = 'Elsewhere'
  readonly error: TenureError
  constructor(error: TenureError) {
    super(error.message)
    this.error = error
  }
}

/** The token is not known (any more): authenticate, and ask again. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused'
}

/** The lease is not there. A definite answer. */
export class LeaseGone extends Error {
  override readonly name = 'LeaseGone'
}

/** Codes of gRPC, which the gateway passes on. */
const INVALID = 3
const DEADLINE = 4
const NOT_FOUND = 5
const DENIED = 7
const EXHAUSTED = 8
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16

/** What a refusal means; `text` is its body. */
export function refusal(host: string, status: number, text: string): Error {
  const { message, code } = parsed(text)
  const say = (tenureCode: 'store-unreachable' | 'store-denied' | 'store-unfit', what: string) =>
    new TenureError(tenureCode, `etcd: ${host}: ${what}`)
  if (message === undefined) {
    if (status === 404)
      return say('store-unfit', 'does not serve the v3 JSON gateway (etcd 3.4 or later is needed, with its gRPC gateway on)')
    if (status === 401 || status === 403) return say('store-denied', `refused with HTTP ${status}`)
    return new Elsewhere(say('store-unreachable', `answered HTTP ${status}`))
  }
  if (code === NOT_FOUND && message.includes('lease not found')) return new LeaseGone(message)
  if (isTokenRefusal(message) || code === UNAUTHENTICATED) return new TokenRefused(message)
  if (code === DENIED || status === 403 || message.includes('authentication failed')) return say('store-denied', message)
  if (code === UNAVAILABLE || code === DEADLINE || status >= 502) return new Elsewhere(say('store-unreachable', message))
  // Too much for one request: the same again is refused again.
  if (code === INVALID || (code === EXHAUSTED && message.includes('larger than max'))) return say('store-unfit', message)
  if (code === EXHAUSTED && message.includes('space')) return say('store-unfit', `${message}: free space, then disarm the alarm`)
  return say('store-unreachable', `${message} (HTTP ${status})`)
}

/** What a refused watch says, in its own words. */
export function cancellation(host: string, reason: string): Error {
  if (isTokenRefusal(reason)) return new TokenRefused(reason)
  if (reason.includes('permission denied')) return new TenureError('store-denied', `etcd: ${host}: watch: permission denied`)
  return new Elsewhere(new TenureError('store-unreachable', `etcd: ${host}: watch was cancelled: ${reason || 'no reason given'}`))
}

function isTokenRefusal(message: string): boolean {
  return ['invalid auth token', 'user name is empty', 'auth store is old'].some((known) => message.includes(known))
}

/** What became of a request that was never answered. */
export function failure(host: string, thrown: unknown): Error {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const what = messageOf(cause) || code
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ALERT/.test(code)) {
    const advice = 'give a `fetch` or an `init` that knows your certificates, or set NODE_EXTRA_CA_CERTS'
    return new Elsewhere(new TenureError('store-denied', `etcd: ${host}: TLS failed: ${what} (${code}): ${advice}`, { cause: thrown }))
  }
  return new Elsewhere(new TenureError('store-unreachable', `etcd: ${host}: ${what}`, { cause: thrown }))
}

function parsed(text: string): { readonly message?: string; readonly code?: number } {
  try {
    const answer = JSON.parse(text) as { message?: string; code?: number; error?: string | { message?: string; grpc_code?: number } }
    if (typeof answer.error === 'object') return { message: answer.error.message ?? 'refused', code: answer.error.grpc_code ?? 0 }
    return typeof answer.message === 'string' ? { message: answer.message, code: answer.code ?? 0 } : {}
  } catch {
    // Not the gateway's own words: a proxy, or something else altogether.
    return {}
  }
}
