/**
 * The stage of a run: a Postgres server, three processes of the outbox example, its receiver, and a producer that inserts
 * at a steady rate. Writes the log that is judged. Everything it starts ends with it, also when it is killed itself.
 */

import { closeSync, mkdirSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import type { Server as HttpServer } from 'node:http'
import { join } from 'node:path'
import { build } from 'esbuild'
import pg from 'pg'
import { startReceiver } from '../../../examples/outbox/receiver.ts'
import { freePort, type Server, startServer, until } from '../../../test/harness/server.ts'
import { startPostgres } from '../../../test/harness/servers.ts'
import type { Offer, Sample, Strike, Tenure } from './judge.ts'

export interface StageOptions {
  /** The folder of the project. */
  readonly root: string
  /** The program that is run three times, below the project. @default the example */
  readonly service?: string
  readonly ttlMs: number
  /** Messages a second. */
  readonly rate: number
  /** The receiver answers after up to so many milliseconds. */
  readonly answerMs: number
  readonly chance: () => number
  /** How long anything that has to happen is waited for. @default ten ttl and 20 s */
  readonly patienceMs?: number
}

interface Said {
  readonly event: string
  readonly fencingToken?: number
  readonly why?: string
}

/** One copy of the service, in a process of its own. */
export class Service {
  readonly name: string
  server: Server | undefined
  standing = 0
  #read = 0
  #rest = ''

  constructor(name: string) {
    this.name = name
  }

  /** What it has said since it was last asked. */
  hear(): Said[] {
    if (!this.server) return []
    const file = openSync(join(this.server.directory, 'server.log'), 'r')
    const buffer = Buffer.alloc(65_536)
    const length = readSync(file, buffer, 0, buffer.length, this.#read)
    closeSync(file)
    this.#read += length
    const lines = (this.#rest + buffer.toString('utf8', 0, length)).split('\n')
    this.#rest = lines.pop() ?? ''
    return lines.flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Said] : []))
  }
}

export class Stage {
  readonly services = ['a', 'b', 'c'].map((name) => new Service(name))
  readonly inserted: { id: number; at: number }[] = []
  readonly offers: Offer[] = []
  readonly tenures: { fencingToken: number; service: string; at: number; why?: string }[] = []
  readonly strikes: Strike[] = []
  readonly samples: Sample[] = []
  /** What services said that was neither of their leading nor expected. */
  readonly troubles: string[] = []
  readonly options: StageOptions
  #folder = ''
  #postgres: Server | undefined
  #pool: pg.Pool | undefined
  #receiver: HttpServer | undefined
  #listening: NodeJS.Timeout | undefined
  #producing: Promise<void> | undefined
  #isProducing = false
  #delivered = 0

  constructor(options: StageOptions) {
    this.options = options
  }

  async open(): Promise<void> {
    // First of all: servers do not keep a process alive.
    this.#listening = setInterval(() => this.#listen(), 20)
    const { root, service = 'examples/outbox/service.ts', ttlMs, answerMs, chance } = this.options
    mkdirSync(join(root, '.tmp'), { recursive: true })
    this.#folder = mkdtempSync(join(root, '.tmp', 'outbox-'))
    const outfile = join(this.#folder, 'service.mjs')
    const entryPoints = [join(root, service)]
    await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20.19', packages: 'external' })
    this.#postgres = await startPostgres()
    const url = `postgres://postgres@127.0.0.1:${this.#postgres.port}/postgres`
    this.#pool = new pg.Pool({ connectionString: url, max: 3, application_name: 'stage' })
    const port = await freePort()
    this.#receiver = await startReceiver(port, async ({ id, fencingToken }, answer) => {
      this.offers.push({ id, fencingToken, answer, at: performance.now() })
      if (answer !== 'stale') this.#delivered = Math.max(this.#delivered, id)
      await pause(chance() * answerMs)
    })
    const args = (name: string) => [outfile, url, `http://127.0.0.1:${port}`, name, String(ttlMs)]
    for (const it of this.services) {
      it.server = await startServer({ name: 'outbox', bin: process.execPath, args: () => args(it.name), ready: async () => true })
      await this.stands(it, 1)
    }
    this.#isProducing = true
    this.#producing = this.#produce().catch((error: unknown) => void this.troubles.push(`the producer: ${error}`))
  }

  /** The copy that leads, as far as was heard. */
  get leader(): Service | undefined {
    return this.services.find(({ name }) => name === this.tenures.at(-1)?.service)
  }

  get token(): number {
    return this.tenures.at(-1)?.fencingToken ?? 0
  }

  /** Start this copy again, and wait until it stands for the election. */
  async start(it: Service): Promise<void> {
    const next = it.standing + 1
    await it.server?.start()
    await this.stands(it, next)
  }

  stands(it: Service, times: number): Promise<void> {
    return until(`${it.name} stands`, () => it.standing >= times)
  }

  /** Somebody leads under a later token than this. */
  follows(token: number): Promise<void> {
    return until('another leads', () => this.token > token, this.#patienceMs)
  }

  /** All that has been inserted until now has been delivered. */
  calm(): Promise<void> {
    const last = this.inserted.at(-1)?.id ?? 0
    return until('all is delivered', () => this.#delivered >= last, this.#patienceMs)
  }

  /** Do this in the moment in which the leader has sent a message and is about to mark it, in a transaction that stands open. */
  async whileMarking(act: () => unknown): Promise<void> {
    const client = await this.#pool?.connect()
    if (!client) throw new Error('the stage is not open')
    try {
      await client.query('BEGIN')
      const lock = 'SELECT id FROM outbox WHERE sent_at IS NULL ORDER BY id DESC LIMIT 1 FOR UPDATE'
      await until('a message is caught', async () => (await client.query(lock)).rows.length > 0, this.#patienceMs)
      const waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE outbox%'"
      // Not on this connection: within a transaction the activity stays what it was when it was first asked for.
      await until('it is being marked', async () => ((await this.#pool?.query(waiting))?.rows.length ?? 0) > 0, this.#patienceMs)
      await act()
    } finally {
      await client.query('COMMIT')
      client.release()
    }
  }

  async sample(): Promise<void> {
    const { rows } = (await this.#pool?.query(
      "SELECT (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND application_name <> 'stage') AS connections, xact_commit FROM pg_stat_database WHERE datname = 'postgres'",
    )) ?? { rows: [] }
    this.samples.push({ at: performance.now(), connections: Number(rows[0]?.connections), transactions: Number(rows[0]?.xact_commit) })
  }

  /** Insert nothing more, and let everything arrive. */
  async finish(): Promise<void> {
    this.#isProducing = false
    await this.#producing
    // What does not arrive is for the judge to say.
    await this.calm().catch(() => {})
    this.#listen()
  }

  async close(): Promise<void> {
    this.#isProducing = false
    await this.#producing
    const servers = this.services.map(({ server }) => server)
    // What they wrote goes with them: there is nothing to listen to any more.
    for (const it of this.services) it.server = undefined
    await Promise.all(servers.map((server) => server?.close()))
    this.#receiver?.close()
    this.#receiver?.closeAllConnections()
    await this.#pool?.end()
    await this.#postgres?.close()
    clearInterval(this.#listening)
    rmSync(this.#folder, { recursive: true, force: true })
  }

  get #patienceMs(): number {
    return this.options.patienceMs ?? 10 * this.options.ttlMs + 20_000
  }

  #listen(): void {
    for (const it of this.services) {
      for (const said of it.hear()) {
        const { event, fencingToken = 0, why } = said
        const tenure = this.tenures.find((one) => one.fencingToken === fencingToken)
        if (event === 'standing') it.standing += 1
        else if (event === 'elected') this.tenures.push({ fencingToken, service: it.name, at: performance.now() })
        else if (event === 'deposed' && tenure && why !== undefined) tenure.why = why
        else if (event === 'trouble') this.troubles.push(`${it.name}: ${JSON.stringify(said)}`)
      }
    }
    this.tenures.sort((a, b) => a.fencingToken - b.fencingToken)
  }

  async #produce(): Promise<void> {
    const gapMs = 1000 / this.options.rate
    for (let next = performance.now(); this.#isProducing; next = Math.max(next + gapMs, performance.now())) {
      const { rows } = (await this.#pool?.query('INSERT INTO outbox (text) VALUES ($1) RETURNING id', ['hello'])) ?? { rows: [] }
      this.inserted.push({ id: Number(rows[0]?.id), at: performance.now() })
      await pause(next + gapMs - performance.now())
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
}

export type { Tenure }
