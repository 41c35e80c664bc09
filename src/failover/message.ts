/**
 * What the instances of a failover say to each other, and how it is written. Everything that comes from a bus passes
 * through here: what is not ours to read is told apart from what is not readable, and nothing of it is believed.
 */

export interface Message {
  readonly election: string
  /** `heartbeat`: this tenure goes on. `leaving`: it has ended by choice, and the arbiter is free. */
  readonly kind: 'heartbeat' | 'leaving'
  /** The id of the instance, for people. */
  readonly from: string
  /** The instance itself: two may have one id. */
  readonly node: string
  readonly fencingToken: number
}

export type Ignored = 'garbage' | 'foreign'

const FORMAT = 1

export function encode({ election, kind, from, node, fencingToken }: Message): string {
  return JSON.stringify({ tenure: 'failover', format: FORMAT, election, kind, from, node, fencingToken })
}

/** Read a message for one election. */
export function decode(text: string, election: string): Message | Ignored {
  const parsed = parse(text)
  if (typeof parsed !== 'object' || parsed === null) return 'garbage'
  const { tenure, format, ...rest } = parsed as Record<string, unknown>
  if (tenure !== 'failover') return 'garbage'
  // Another version of this library: it may mean anything.
  if (format !== FORMAT) return 'foreign'
  if (!isMessage(rest)) return 'garbage'
  return rest.election === election ? rest : 'foreign'
}

function isMessage(value: object): value is Message {
  const { election, kind, from, node, fencingToken } = value as Record<string, unknown>
  const isName = (name: unknown) => typeof name === 'string' && name.length > 0 && name.length <= 200
  if (!isName(election) || !isName(from) || !isName(node)) return false
  if (kind !== 'heartbeat' && kind !== 'leaving') return false
  return Number.isSafeInteger(fencingToken) && (fencingToken as number) > 0
}

function parse(text: string): unknown {
  try {
    const parsed: unknown = JSON.parse(text)
    return parsed
  } catch {
    return undefined
  }
}
