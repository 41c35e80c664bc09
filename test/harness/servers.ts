/** How to start each server that the stores are tested on, and whether it can be had here. */

import { execFile, execFileSync } from 'node:child_process'
import { accessSync, constants, cpSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { currentRun } from './run.ts'
import { freePort, type Server, type ServerPlan, startServer } from './server.ts'

export type ServerKind = 'redis' | 'etcd' | 'postgres' | 'pgbouncer'

const places: Record<ServerKind, { readonly bin: string; readonly more: readonly string[] }> = {
  redis: { bin: 'redis-server', more: ['/usr/bin', '/usr/local/bin'] },
  etcd: { bin: 'etcd', more: ['/usr/bin', '/usr/local/bin'] },
  // Debian keeps the server's own programs out of the path, by major version.
  postgres: { bin: 'initdb', more: debianPostgres() },
  pgbouncer: { bin: 'pgbouncer', more: ['/usr/sbin'] },
}

/** Where a server is installed, or `undefined`. With `CI=true` a missing server is an error, never a skip. */
export function findServer(kind: ServerKind): string | undefined {
  const { bin, more } = places[kind]
  const found = [...more, ...(process.env['PATH'] ?? '').split(delimiter)].map((place) => join(place, bin)).find(executable)
  if (!found && process.env['CI'] === 'true')
    throw new Error(`${kind} is not installed here, and with CI=true that is a failure: npm run setup`)
  return found
}

export function need(kind: ServerKind): string {
  const found = findServer(kind)
  if (!found) throw new Error(`${kind} is not installed here: npm run setup`)
  return found
}

export function startRedis(...options: string[]): Promise<Server> {
  return startServer({
    name: 'redis',
    bin: need('redis'),
    args: (directory, port) => [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      directory,
      '--save',
      '',
      ...(options.length > 0 ? options : ['--appendonly', 'no']),
    ],
    ready: (port) => talk(port, 'PING\r\n', '+PONG'),
  })
}

export async function startEtcd(...options: string[]): Promise<Server> {
  const peer = `http://127.0.0.1:${await freePort()}`
  return startServer({
    name: 'etcd',
    bin: need('etcd'),
    args: (directory, port) => {
      const client = `http://127.0.0.1:${port}`
      const urls = [
        '--listen-client-urls',
        client,
        '--advertise-client-urls',
        client,
        '--listen-peer-urls',
        peer,
        '--initial-advertise-peer-urls',
        peer,
      ]
      const quick = [
        '--heartbeat-interval',
        '10',
        '--election-timeout',
        '100',
        '--unsafe-no-fsync',
        '--logger',
        'zap',
        '--log-level',
        'error',
      ]
      return ['--data-dir', join(directory, 'data'), '--initial-cluster', `default=${peer}`, ...urls, ...quick, ...options]
    },
    ready: async (port) => {
      const answer = await fetch(`http://127.0.0.1:${port}/health`)
      return ((await answer.json()) as { health?: string }).health === 'true'
    },
  })
}

export interface PostgresPlan {
  /** `name=value` settings. */
  readonly options?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Put the data directory there. @default a new cluster */
  prepare?(data: string, run: RunAsPostgres): Promise<unknown>
}

/** Run a program of the server's own, as the user that owns its data. */
export type RunAsPostgres = (program: string, ...args: string[]) => Promise<unknown>

/** Trusts everybody on loopback; superuser `postgres`, database `postgres`. `options` are `name=value` settings. */
export function startPostgres(...options: string[]): Promise<Server> {
  return startPostgresAs({ options })
}

export function startPostgresAs({ options = [], env, prepare }: PostgresPlan): Promise<Server> {
  const bin = join(need('postgres'), '..')
  const owner = ownerOfPostgres()
  const run: RunAsPostgres = (program, ...args) => promisify(execFile)(join(bin, program), args, owner)
  return startServer({
    name: 'postgres',
    bin: join(bin, 'postgres'),
    ...owner,
    env,
    prepare: async (directory) => {
      const data = join(directory, 'data')
      if (prepare) return void (await prepare(data, run))
      cpSync(await templateOf(bin, owner), data, { recursive: true })
      if (owner.uid !== undefined) execFileSync('chown', ['-R', `${owner.uid}:${owner.gid}`, data])
      execFileSync('chmod', ['700', data])
    },
    args: (directory, port) => {
      const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${directory}`, ...options]
      return ['-D', join(directory, 'data'), '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])]
    },
    // A backend outlives a killed server until it looks up from what it does.
    passing: /pre-existing shared memory block .* is still in use/,
    ready: (port) => promisify(execFile)(join(bin, 'psql'), ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-Atc', 'select 1']),
  })
}

let template: Promise<string> | undefined

/** A fresh cluster takes most of a second; a copy of one a tenth. Made once in each run. */
function templateOf(bin: string, owner: Owner): Promise<string> {
  template ??= makeTemplate(join(currentRun().temporary, 'initdb'), bin, owner)
  return template
}

async function makeTemplate(place: string, bin: string, owner: Owner): Promise<string> {
  const data = join(place, 'data')
  if (existsSync(data)) return data
  // Others may make it at this moment: who is first gives it its name.
  const made = mkdtempSync(`${place}-`)
  if (owner.uid !== undefined) execFileSync('chown', [`${owner.uid}:${owner.gid}`, made])
  const args = ['-D', join(made, 'data'), '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync']
  await promisify(execFile)(join(bin, 'initdb'), args, owner)
  try {
    renameSync(made, place)
  } catch (error) {
    if (!existsSync(data)) throw error
    rmSync(made, { recursive: true })
  }
  return data
}

export interface Owner {
  readonly uid?: number
  readonly gid?: number
}

/** Postgres refuses to run as root; Debian's package brings a user of its own. */
export function ownerOfPostgres(): Owner {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
  return { uid: id('-u'), gid: id('-g') }
}

function debianPostgres(): string[] {
  const root = '/usr/lib/postgresql'
  if (!existsSync(root)) return []
  return readdirSync(root)
    .sort((a, b) => Number(b) - Number(a))
    .map((major) => join(root, major, 'bin'))
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function talk(port: number, send: string, expected: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(send))
    socket.on('data', (data) => {
      socket.destroy()
      if (data.toString().startsWith(expected)) resolve()
      else reject(new Error(`got ${data}`))
    })
    socket.on('error', reject)
  })
}

export type { Server, ServerPlan }
