/**
 * The play: three candidates, a crash, a frozen leader with a late write, and a hand-over. All of it is real: processes,
 * signals, files. What is said at the end is what was seen; where something did not happen, it says so and fails.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Fence } from '../../index.ts'
import { exitCodeOfSignal } from '../exit-codes.ts'
import { Actor } from './cast.ts'
import { View } from './view.ts'
import { hostClock, type Report, ttlMs } from './words.ts'

/** Longer than it ever takes; something is wrong then. */
const BOUND_MS = 19_000
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

interface Seen {
  readonly what: string
  readonly ok: boolean
  readonly figure: string
}

export async function play(): Promise<boolean> {
  const dir = mkdtempSync(join(tmpdir(), 'tenure-demo-'))
  const stage = new Stage(dir)
  const interrupted = (signal: NodeJS.Signals) => {
    stage.view.close()
    void stage.clear().finally(() => process.exit(exitCodeOfSignal(signal)))
  }
  for (const signal of endings) process.once(signal, interrupted)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`the demonstration has not come to its end within ${BOUND_MS / 1000} s`)), BOUND_MS)
  })
  try {
    const seen = await Promise.race([acts(stage), late])
    stage.view.close()
    summary(stage.view, seen)
    return seen.every(({ ok }) => ok)
  } finally {
    clearTimeout(timer)
    for (const signal of endings) process.off(signal, interrupted)
    stage.view.close()
    await stage.clear()
  }
}

/** The processes, the ledger they write to, and the view. */
class Stage {
  readonly view = new View()
  readonly actors: Actor[] = []
  writes = 0
  refused = 0
  /** Writes that the fence refused although nobody meant them to be late. */
  stale = 0
  readonly #dir: string
  readonly #fence = new Fence()

  constructor(dir: string) {
    this.#dir = dir
    this.view.open(() => ({ actors: this.actors, writes: this.writes, refused: this.refused }))
  }

  enter(id: string): Actor {
    const actor = new Actor(id, this.#dir, (_, report) => this.#heard(report))
    const place = this.actors.findIndex((other) => other.id === id)
    if (place < 0) this.actors.push(actor)
    else this.actors[place] = actor
    return actor
  }

  get leader(): Actor {
    const leaders = this.actors.filter(({ role }) => role === 'leading')
    const [leader] = leaders
    if (!leader || leaders.length > 1) throw new Error(`there are ${leaders.length} leaders`)
    return leader
  }

  /** The election that comes next, of anybody but one. */
  async elected(but?: Actor): Promise<{ actor: Actor; at: number }> {
    const others = this.actors.filter((actor) => actor !== but)
    return Promise.race(others.map(async (actor) => ({ actor, at: (await actor.next('elected')).at })))
  }

  async clear(): Promise<void> {
    await Promise.all(this.actors.map((actor) => actor.end()))
    rmSync(this.#dir, { recursive: true, force: true })
  }

  #heard(report: Report): void {
    if (report.type !== 'write') return
    if (this.#fence.admits(report.fencingToken)) this.writes += 1
    else {
      this.refused += 1
      if (!report.isLate) this.stale += 1
    }
  }
}

async function acts(stage: Stage): Promise<Seen[]> {
  const { view } = stage
  const { bold } = view.colors
  view.print(`Three processes stand for one election, with nothing but files between them (ttl ${ttlMs / 1000} s).\n`)

  const first = ['north', 'east', 'west'].map((id) => stage.enter(id))
  await Promise.all(first.map((actor) => actor.next('standing')))
  view.tell(`${bold(stage.leader.id)} leads; the others follow`)
  await pause(2000)

  const dead = stage.leader
  const successor = stage.elected(dead)
  const killedAt = hostClock()
  dead.kill()
  const { actor: second, at } = await successor
  const crashMs = at - killedAt
  view.tell(`${bold('kill -9')} ${dead.id}: ${bold(second.id)} leads after ${bold(ms(crashMs))}, its token is larger`)
  const crash: Seen = {
    what: 'the leader was killed with kill -9, and another led',
    ok: second.fencingToken > dead.fencingToken,
    figure: ms(crashMs),
  }
  await pause(1200)

  await stage.enter(dead.id).next('standing')
  view.tell(`${dead.id} is started again, and follows`)
  await pause(800)

  const frozen = await freeze(stage)
  await pause(1000)

  const leaver = stage.leader
  const heir = stage.elected(leaver)
  const stoppedAt = hostClock()
  leaver.cue('stop')
  const { actor: last, at: handedAt } = await heir
  const handMs = handedAt - stoppedAt
  view.tell(`${leaver.id} is asked to stop: its work ends, it releases, ${bold(last.id)} leads after ${bold(ms(handMs))}`)
  await pause(800)

  return [
    crash,
    ...frozen,
    { what: 'the leader handed over when it was asked to', ok: last !== leaver, figure: ms(handMs) },
    { what: 'two leaders wrote at once', ok: stage.stale === 0, figure: stage.stale === 0 ? 'never' : `${stage.stale} times` },
  ]
}

/** The leader is frozen between its check and its write, and woken when somebody else leads. */
async function freeze(stage: Stage): Promise<Seen[]> {
  const { view } = stage
  const { bold } = view.colors
  const sleeper = stage.leader
  const checked = sleeper.next('checked')
  sleeper.cue('linger')
  await checked
  const next = stage.elected(sleeper)
  const frozenAt = hostClock()
  sleeper.freeze()
  view.tell(`${bold('SIGSTOP')} ${sleeper.id}, just after it has checked that it leads and just before it writes`)
  const { actor: heir, at } = await next
  const supersededMs = at - frozenAt
  view.tell(`its lease has run out: ${bold(heir.id)} leads after ${bold(ms(supersededMs))}`)
  await pause(800)

  const refusedBefore = stage.refused
  const woke = sleeper.next('woke')
  const wrote = sleeper.next('write')
  sleeper.cue('go')
  sleeper.thaw()
  const { isLeader } = await woke
  await wrote
  const refused = stage.refused - refusedBefore === 1
  view.tell(`${bold('SIGCONT')} ${sleeper.id}: asked whether it leads, it says ${bold(isLeader ? 'yes' : 'no')}`)
  view.tell(`its late write arrives with its old token, and is ${bold(refused ? 'refused' : 'accepted')}`)
  return [
    { what: 'the frozen leader was superseded after its ttl', ok: supersededMs < ttlMs * 2, figure: ms(supersededMs) },
    { what: 'it knew, at its first statement after waking', ok: !isLeader, figure: isLeader ? 'no' : 'yes' },
    { what: 'its late write was refused by its fencing token', ok: refused, figure: refused ? 'yes' : 'no' },
  ]
}

function summary(view: View, seen: readonly Seen[]): void {
  const { bold, green, red, dim } = view.colors
  const width = Math.max(...seen.map(({ what }) => what.length))
  view.print(`\n${bold('Seen')}`)
  for (const { what, ok, figure } of seen) view.print(`  ${ok ? green('✓') : red('✗')} ${what.padEnd(width)}  ${bold(figure)}`)
  view.print(`\n${bold('Next')}, in three terminals:`)
  view.print("  npx tenure run outbox -- sh -c 'while date; do sleep 1; done'")
  view.print(dim('  then kill -9 the one that runs it, and look:'))
  view.print('  npx tenure status')
  view.print('  npx tenure watch outbox')
  view.print(dim('\nIn code: README.md. Why there are never two: docs/safety.md.'))
}

function ms(value: number): string {
  return value < 1000 ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : `${(value / 1000).toFixed(2)} s`
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds))
}
