/** Faults planted in the model of the store, and in the bounds that the simulated clocks keep. */

import type { Mutant } from './list.ts'

const rows = 'sim/stores/rows.ts'
const mint = 'Math.max((last?.fencingToken ?? 0) + 1, moment.microseconds)'

export const storeMutants: readonly Mutant[] = [
  {
    name: 'renewed without a look at the holder',
    file: rows,
    find: 'const ours = row?.holder === request.holder && row.session === moment.session',
    replace: 'const ours = true',
  },
  {
    name: 'renewed by the name of the candidate',
    file: rows,
    find: 'const ours = row?.holder === request.holder && row.session === moment.session',
    replace: 'const ours = row?.candidate === request.candidate',
  },
  {
    name: 'an expired lease is renewed',
    file: rows,
    find: '!ours || !isLive(row, moment)',
    replace: '!ours || row.freed || row.session?.dead',
  },
  {
    name: 'released without a look at the holder',
    file: rows,
    find: 'if (row?.holder !== request.holder || row.freed) return { answer: done }',
    replace: 'if (!row || row.freed) return { answer: done }',
  },
  { name: 'tokens begin again after a release', file: rows, find: mint, replace: '(last?.freed ? 0 : (last?.fencingToken ?? 0)) + 1' },
  { name: 'tokens begin again after an expiry', file: rows, find: mint, replace: '(last?.freed ? last.fencingToken : 0) + 1' },
  {
    name: 'tokens by the clock of the candidate',
    file: rows,
    find: mint,
    replace: 'Math.floor(request.host.time.wall(request.host.now) * 1000)',
  },
  {
    name: 'a new token only for a new candidate',
    file: rows,
    find: mint,
    replace: `last?.candidate === request.candidate ? last.fencingToken : ${mint}`,
  },
  {
    name: 'the same name adopts the lease',
    file: rows,
    find: "if (last && isLive(last, moment)) return { answer: { type: 'lease', lease: leaseOf(last, moment) } }",
    replace:
      "if (last && isLive(last, moment)) {\n    const lease = leaseOf(last, moment)\n    return { answer: { type: 'lease', lease: last.candidate === request.candidate ? { ...lease, holder: request.holder } : lease } }\n  }",
  },
  {
    name: 'the same holder asking again gets a longer lease, it says',
    file: rows,
    find: 'remainingMs: Math.max(0, expiryOf(row) - now)',
    replace: 'remainingMs: isLive(row, { now } as StoreMoment) ? row.ttlMs : 0',
  },
  {
    name: 'leases expire a second and a half early',
    file: rows,
    find: '    expiresAt: moment.now + request.ttlMs,\n    freed',
    replace: '    expiresAt: moment.now + Math.max(1, request.ttlMs - 1500),\n    freed',
    also: [
      {
        find: 'remainingMs: Math.max(0, expiryOf(row) - now)',
        replace: 'remainingMs: Math.max(0, Math.min(row.ttlMs, expiryOf(row) + 1500 - now))',
      },
    ],
  },
  {
    name: 'a renewal adds a ttl',
    file: rows,
    find: 'const expiresAt = moment.now + request.ttlMs\n',
    replace: 'const expiresAt = row.expiresAt + request.ttlMs\n',
  },
  {
    name: 'a name that is missing counts as renewed',
    file: rows,
    find: "return { answer: { type: 'granted', ms: 0 } }",
    replace: "return { answer: { type: 'granted', ms: request.ttlMs } }",
  },
  {
    name: 'the session ends with the release of one election',
    file: rows,
    find: '  return { row: { ...row, freed: true,',
    replace: '  if (row.session) row.session.dead = true\n  return { row: { ...row, freed: true,',
    profile: 'session',
  },
  {
    name: 'a released holder comes back',
    file: rows,
    find: "  if (last?.holder === request.holder) return { answer: { type: 'lease', lease: undefined } }\n",
    replace: '',
  },
  {
    name: 'a store that starts again has forgotten its leases',
    file: 'sim/stores/server.ts',
    find: '    this.#locks.clear()\n',
    replace: '    this.#locks.clear()\n    this.ledger.revise((row) => ({ ...row, freed: true }))\n',
  },
  {
    name: 'a copy that lags is trusted with bids and renewals',
    file: 'sim/stores/server.ts',
    find: "request.purpose === 'read' ? this.staleMs : 0",
    replace: 'this.staleMs',
  },
  {
    name: 'a lease that lives is given away',
    file: rows,
    find: 'return !row.freed && now < expiryOf(row)',
    replace: 'return !row.freed && now < expiryOf(row) - 40',
  },
  {
    name: 'observers count by the wall clock',
    file: 'sim/stores/observed.ts',
    find: 'const mono = () => host.time.mono(host.now)',
    replace: 'const mono = () => host.time.wall(host.now)',
    profile: 'observed',
  },
  {
    name: 'observers count from before they knew',
    file: 'sim/stores/observed.ts',
    find: "    const answer = await ask({ verb: 'get'",
    replace: "    const asked = mono()\n    const answer = await ask({ verb: 'get'",
    also: [{ find: 'seen.set(election, { version, since: mono() })', replace: 'seen.set(election, { version, since: asked })' }],
    profile: 'observed',
  },
  {
    name: 'observers take a lease for unchanged that was renewed',
    file: 'sim/stores/observed.ts',
    find: 'const version = row?.version ?? 0\n',
    replace: 'const version = row?.fencingToken ?? 0\n',
    profile: 'observed',
  },
  {
    name: 'an observer takes a lease without comparing',
    file: rows,
    find: 'if (!request.row || (row?.version ?? 0) !== request.version) return',
    replace: 'if (!request.row) return',
    profile: 'observed',
  },
  {
    name: 'clocks are worse than the drift that is allowed',
    file: 'sim/process.ts',
    find: 'const bound = plan.timing.drift\n',
    replace: 'const bound = plan.timing.drift * 2.5\n',
  },
  {
    name: 'both clocks of a process stand still, undeclared',
    file: 'sim/lives.ts',
    find: 'if (frozen) host.frozenUntil = Number.POSITIVE_INFINITY\n',
    replace: '',
    also: [{ find: 'if (frozen) host.frozenUntil = world.now\n', replace: '' }],
  },
]
