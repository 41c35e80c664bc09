/**
 * Rounds of faults against `tenure run`: three supervisors stand in one election, the one that leads has a tree of
 * processes that write to one pipe, each line with its fencing token, and in every round something is killed or frozen.
 * The pipe puts all writes in one order, so that the oracle is simple: once a larger token has written, a smaller one
 * never does again. Where supervisor and guard are both killed nobody is left to end the tree; then the writes that come
 * too late have to be refused by their token, and are counted. A host that stood still for longer than the margin allows for
 * has ended the old tree too late itself: a write that comes after such a stall shows nothing, and the round is repeated.
 *
 *   node scripts/rounds.mjs --rounds 200 [--only 'supervisor killed']
 */

import { execFileSync, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { constants, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { bundleCli } from './build.mjs'

/** Of the ttl 1.8 s are margin, and 1.3 of them are left when SIGKILL is due: a busy host may be so late. */
const TIMES = { ttlMs: 4000, args: ['--ttl', '4s', '--margin', '1800ms', '--kill-after', '500ms', '--drain', '300ms'] }
const BOUND_MS = 30_000
/** Less than from the instant when SIGKILL is due to the first at which a rival may win: what is late must be found, too. */
const STALL_MS = 900
/** A host that stands still so often shows nothing at all. */
const MOST_STALLS = 5

/** Every process of a tree writes; they differ in how hard they are to end. */
const WORKER = `
write() { while :; do echo "w $TENURE_FENCING_TOKEN $1 $$ $SUPERVISOR" > "$PIPE"; sleep 0.01; done; }
case $1 in
  child) write child ;;
  stubborn) trap '' TERM; write stubborn ;;
  stray) write stray ;;
  *)
    SUPERVISOR=$PPID; export SUPERVISOR
    echo "start $TENURE_FENCING_TOKEN $SUPERVISOR" > "$PIPE"
    sh "$0" child & sh "$0" stubborn & setsid sh "$0" stray &
    write main ;;
esac
`

/** What happens to the leader; each resolves when the fault has been made. `next` is the start of the next child. */
const faults = {
  'supervisor killed': ({ supervisor }) => kill(supervisor, 'SIGKILL'),
  'supervisor frozen': async ({ supervisor }, next) => {
    kill(supervisor, 'SIGSTOP')
    await next.catch(() => {})
    kill(supervisor, 'SIGCONT')
  },
  'guard killed': ({ guard }) => kill(guard, 'SIGKILL'),
  'child killed': ({ child }) => kill(child, 'SIGKILL'),
  'supervisor ended': ({ supervisor }) => kill(supervisor, 'SIGTERM'),
  'both killed': ({ supervisor, guard }) => {
    // The guard first, and held still before that, so that it cannot do its work.
    kill(guard, 'SIGSTOP')
    kill(guard, 'SIGKILL')
    kill(supervisor, 'SIGKILL')
  },
}

/** Open a world with three supervisors; close it in the end, whatever happened. */
export async function openWorld(planted = [], boundMs = BOUND_MS) {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-rounds-'))
  await bundleCli(join(folder, 'cli'), planted)
  const world = new World(folder, boundMs)
  for (let count = 0; count < 3; count++) world.stand()
  return world
}

/** The host stood still, and a write came too late. */
class Stalled extends Error {}

class World {
  #folder
  #boundMs
  #mark = `tenure-rounds-${randomBytes(8).toString('hex')}`
  #supervisors = new Map()
  #input
  /** Every write so far, in order: its token, and when it was read. */
  writes = []
  starts = []
  largest = 0
  #overlaps = []
  refused = 0
  /** Tokens whose tree nobody is left to end. */
  #orphaned = new Set()
  pids = new Map()
  #tickedAt = now()
  #stalledAt = Number.NEGATIVE_INFINITY
  #ticker = setInterval(() => this.#tick(), 20)
  #stall

  constructor(folder, boundMs) {
    this.#folder = folder
    this.#boundMs = boundMs
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    writeFileSync(join(folder, 'worker.sh'), WORKER)
    // Read and write: it stays open when no writer is left.
    this.#input = new Socket({ fd: openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK), readable: true, writable: false })
    createInterface({ input: this.#input }).on('line', (line) => this.#read(line))
  }

  /** Something else of this host that wants to run now and then: it stands still together with the rest. */
  #tick() {
    const at = now()
    if (at - this.#tickedAt > STALL_MS) this.#stalledAt = at
    this.#tickedAt = at
  }

  #late(write) {
    if (this.#orphaned.has(write.token)) this.refused += 1
    else if (write.at - this.#stalledAt < TIMES.ttlMs)
      this.#stall ??= new Stalled(`${write.who} of an old tree wrote after a new one had begun, and the host had stood still`)
    else this.#overlaps.push(write)
  }

  #read(line) {
    // What was written while this loop stood still is read before it ticks.
    this.#tick()
    const at = now()
    const [kind, token, who, pid, supervisor] = line.split(' ')
    if (kind === 'start') {
      this.starts.push({ token: Number(token), supervisor: Number(who), at })
    } else {
      const write = { token: Number(token), who, pid: Number(pid), supervisor: Number(supervisor), at }
      this.pids.set(write.token, (this.pids.get(write.token) ?? new Map()).set(who, write.pid))
      if (write.token < this.largest) this.#late(write)
    }
    this.largest = Math.max(this.largest, Number(token))
  }

  stand() {
    const folder = this.#folder
    const child = spawn(
      process.execPath,
      [join(folder, 'cli', 'main.js'), 'run', 'rounds', ...TIMES.args, '--', 'sh', join(folder, 'worker.sh')],
      {
        env: { ...process.env, TENURE_STORE: `file:${join(folder, 'store')}`, PIPE: join(folder, 'pipe'), TENURE_ROUNDS: this.#mark },
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: true,
      },
    )
    const one = { pid: child.pid, err: '', code: undefined }
    child.stderr.on('data', (chunk) => (one.err += chunk))
    child.once('exit', (code, signal) => {
      one.code = code ?? signal
      this.#supervisors.delete(child.pid)
    })
    this.#supervisors.set(child.pid, one)
  }

  /** Who leads, once its whole tree writes. */
  async leader() {
    return this.#until(() => {
      const start = this.starts.at(-1)
      if (!start || start.token !== this.largest || !this.#supervisors.has(start.supervisor)) return
      const tree = this.pids.get(start.token)
      if (tree?.size !== 4) return
      const guard = guardOf(start.supervisor)
      return guard && { ...start, guard, child: tree.get('main'), tree: [...tree.values()] }
    }, 'a leader with its tree')
  }

  /** One round: make the fault, see the old tree end and the next child start. Times are milliseconds from the fault. */
  async round(kind) {
    const leader = await this.#settled()
    const one = this.#supervisors.get(leader.supervisor)
    const isOrphaned = kind === 'both killed'
    if (isOrphaned) this.#orphaned.add(leader.token)
    const before = this.refused
    const at = now()
    const begun = this.#until(() => this.starts.find(({ token }) => token > leader.token), `the next child after: ${kind}`)
    const made = Promise.resolve(faults[kind](leader, begun))
    const [goneAt, next] = await Promise.all([isOrphaned ? undefined : this.#gone(leader.tree), begun])
    if (isOrphaned) {
      // They write on until somebody ends them, and that is us.
      await this.#until(() => this.refused > before, 'a write that comes too late')
      for (const pid of leader.tree) kill(pid, 'SIGKILL')
    }
    await made
    await this.#until(() => one.code !== undefined, `the end of the supervisor after: ${kind}`)
    return { kind, goneMs: goneAt === undefined ? undefined : goneAt - at, nextMs: next.at - at, code: one.code }
  }

  /** A leader whose followers wait for its end; anew where it has lost its lease meanwhile. */
  async #settled() {
    for (;;) {
      while (this.#supervisors.size < 3) this.stand()
      const leader = await this.leader()
      await this.#followers(leader.supervisor)
      if (leader.token === this.largest && this.#supervisors.has(leader.supervisor) && this.#supervisors.size === 3) return leader
    }
  }

  /** Throws where an old tree has written after a new one. */
  judge() {
    if (this.#stall) throw this.#stall
    const [overlap] = this.#overlaps
    if (overlap) throw new Error(`${overlap.who} of an old tree wrote after a new one had begun`)
  }

  /** Wait, but not for an end that no longer matters. */
  #until(reached, what) {
    return until(
      () => {
        this.judge()
        return reached()
      },
      what,
      this.#boundMs,
    )
  }

  /** The others stand, and follow this leader. */
  async #followers(supervisor) {
    const others = () => [...this.#supervisors.keys()].filter((pid) => pid !== supervisor)
    await this.#until(() => others().every((pid) => guardOf(pid)), 'the followers')
    // They have seen the leader a moment later, and then wait on its socket.
    await pause(300)
  }

  async #gone(pids) {
    await this.#until(() => !pids.some(runs), 'the end of the old tree')
    return now()
  }

  /** What still runs of all that was started. */
  left() {
    return readdirSync('/proc').filter(
      (name) =>
        /^\d+$/.test(name) && Number(name) !== process.pid && runs(name) && (textOf(`/proc/${name}/environ`) ?? '').includes(this.#mark),
    )
  }

  async close() {
    await until(() => {
      const left = this.left()
      for (const pid of left) kill(Number(pid), 'SIGKILL')
      return left.length === 0
    }, 'everything to end')
    clearInterval(this.#ticker)
    this.#input.destroy()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function until(reached, what, boundMs = BOUND_MS) {
  for (const begun = now(); ; ) {
    const value = reached()
    if (value) return value
    if (now() - begun > boundMs) throw new Error(`waited ${boundMs} ms for ${what}`)
    await pause(1)
  }
}

function now() {
  return performance.now()
}

function kill(pid, signal) {
  if (!(pid > 1)) throw new Error(`not a process: ${pid}`)
  try {
    process.kill(pid, signal)
  } catch (thrown) {
    if (thrown.code !== 'ESRCH') throw thrown
  }
}

function textOf(path) {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return undefined
  }
}

function runs(pid) {
  const stat = textOf(`/proc/${pid}/stat`)
  return stat !== undefined && !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2))
}

function guardOf(supervisor) {
  const children = textOf(`/proc/${supervisor}/task/${supervisor}/children`)?.trim().split(' ') ?? []
  return Number(children.find((pid) => textOf(`/proc/${pid}/cmdline`)?.includes('guard.js')) ?? 0)
}

/** So many rounds, of each kind in turn, in as many worlds as that takes. */
export async function runRounds(count, kinds = Object.keys(faults), told = () => {}) {
  const results = []
  let refused = 0
  for (let stalls = 0; results.length < count; stalls++) {
    if (stalls > MOST_STALLS) throw new Error(`the host stood still for more than ${STALL_MS} ms, ${stalls} times`)
    const world = await openWorld()
    try {
      while (results.length < count) {
        results.push(await world.round(kinds[results.length % kinds.length]))
        told(results.length)
      }
      world.judge()
    } catch (thrown) {
      if (!(thrown instanceof Stalled)) throw thrown
    } finally {
      refused += world.refused
      await world.close()
    }
  }
  return { results, refused }
}

async function main() {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '200' }, only: { type: 'string' } } })
  const kinds = values.only === undefined ? Object.keys(faults) : [values.only]
  const { results, refused } = await runRounds(Number(values.rounds), kinds, (done) => {
    process.stderr.write(`\r${done} of ${values.rounds}   `)
  })
  process.stderr.write('\n')
  for (const kind of kinds)
    console.log(
      summary(
        kind,
        results.filter((result) => result.kind === kind),
      ),
    )
  console.log(`${results.length} rounds: no write of an old tree after a new one, ${refused} orphaned ones refused by their token`)
}

function summary(kind, results) {
  const line = (name) => {
    const sorted = results.map((result) => result[name] ?? Number.NaN).sort((a, b) => a - b)
    const at = (part) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0)
    return `p50 ${at(0.5)} p99 ${at(0.99)} max ${at(1)} ms`
  }
  const codes = [...new Set(results.map(({ code }) => code))].join(', ')
  return `${kind}: ${results.length} rounds, old tree gone after ${line('goneMs')}, next child after ${line('nextMs')}, supervisor ended with ${codes}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
