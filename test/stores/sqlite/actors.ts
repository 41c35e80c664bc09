/** Real processes for a test: started, told what to do, frozen, killed, and never left behind. */

import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { currentRun } from '../../harness/run.ts'
import type { Answer, Told, Verbs } from './actor.ts'

// Within the project, so that it finds its client.
const script = join(currentRun().project, `sqlite-actor-${process.pid}.mjs`)
let built: Promise<unknown> | undefined

function prepare(): Promise<unknown> {
  built ??= build({
    entryPoints: [fileURLToPath(new URL('./actor.ts', import.meta.url))],
    outfile: script,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'silent',
  })
  return built
}

const living = new Set<Actor>()
process.on('exit', () => {
  for (const actor of living) actor.kill()
})

/** For `afterEach`: end all that are left, frozen ones too. */
export async function endActors(): Promise<void> {
  await Promise.all([...living].map((actor) => actor.kill().ended))
}

export class Actor {
  readonly told: Told[] = []
  readonly ended: Promise<void>
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  #listeners: (() => void)[] = []
  #number = 0

  constructor(child: ChildProcess) {
    this.#child = child
    living.add(this)
    this.ended = new Promise((resolve) => {
      child.once('exit', () => {
        living.delete(this)
        for (const answered of this.#waiting.values()) answered({ number: 0, error: 'the process has ended', code: 'ended' })
        this.#wake()
        resolve()
      })
    })
    child.on('message', (message: Answer | Told) => {
      if ('event' in message) this.told.push(message)
      else this.#waiting.get(message.number)?.(message)
      this.#wake()
    })
  }

  static async start(file: string, options: ForkOptions = {}): Promise<Actor> {
    await prepare()
    const actor = new Actor(fork(script, { stdio: 'inherit', ...options }))
    await actor.heard('ready')
    await actor.call('open', file)
    return actor
  }

  static many(count: number, file: string): Promise<Actor[]> {
    return Promise.all(Array.from({ length: count }, () => Actor.start(file)))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async call<Verb extends keyof Verbs>(verb: Verb, ...args: Parameters<Verbs[Verb]>): Promise<Awaited<ReturnType<Verbs[Verb]>>> {
    const number = ++this.#number
    const answer = await new Promise<Answer>((resolve) => {
      this.#waiting.set(number, resolve)
      this.#child.send({ number, verb, args })
    })
    this.#waiting.delete(number)
    if (answer.error !== undefined) throw Object.assign(new Error(answer.error), { code: answer.code })
    return answer.value as Awaited<ReturnType<Verbs[Verb]>>
  }

  /** The first news of this kind, from the `from`th on. */
  async heard(event: string, from = 0): Promise<Told> {
    for (;;) {
      const news = this.told.filter((told) => told.event === event)[from]
      if (news) return news
      if (!living.has(this)) throw new Error(`the process ended before it told \`${event}\``)
      await new Promise<void>((resolve) => this.#listeners.push(resolve))
    }
  }

  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  kill(): this {
    this.#child.kill('SIGKILL')
    return this
  }

  #wake(): void {
    for (const listener of this.#listeners.splice(0)) listener()
  }
}
