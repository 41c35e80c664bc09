/**
 * A store of one's own: leases in a Map. Where a real one has a server, this one has `rows` and `now`.
 *
 * @typedef {Omit<import('tenure').Lease, 'remainingMs'> & { expiresAt: number }} Row
 * @param {Map<string, Row>} rows
 * @returns {import('tenure').LeaseStore}
 */
export function mapStore(rows = new Map(), now = () => performance.now()) {
  const live = (/** @type {string} */ election) => {
    const row = rows.get(election)
    return row && now() < row.expiresAt ? row : undefined
  }
  const leaseOf = (/** @type {Row} */ row) => ({ ...row, remainingMs: Math.max(0, row.expiresAt - now()) })
  return {
    name: 'map',
    async acquire({ election, holder, candidate, ttlMs, advert }, signal) {
      signal.throwIfAborted()
      const held = live(election)
      if (held) return leaseOf(held) // also for the holder itself: the same lease, not a longer one
      const last = rows.get(election)
      if (last?.holder === holder) return undefined // released or expired: it never comes back
      const fencingToken = Math.max((last?.fencingToken ?? 0) + 1, Date.now() * 1000)
      const row = { holder, candidate, advert, fencingToken, expiresAt: now() + ttlMs }
      rows.set(election, row)
      return leaseOf(row)
    },
    async renew({ election, holder, ttlMs }, signal) {
      signal.throwIfAborted()
      const row = live(election)
      if (row?.holder !== holder) return 0
      row.expiresAt = now() + ttlMs
      return ttlMs
    },
    async release({ election, holder }, signal) {
      signal.throwIfAborted()
      const row = live(election)
      if (row?.holder === holder) row.expiresAt = 0 // expired, never deleted: it carries the token
    },
    async read(election, signal) {
      signal.throwIfAborted()
      const row = live(election)
      return row && leaseOf(row)
    },
  }
}
