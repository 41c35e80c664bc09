/** What stands around a Postgres server: a pooler before it, a standby behind it, and a clock that can be stepped. */

import { chmodSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { currentRun } from './run.ts'
import { startServer } from './server.ts'
import { findServer, need, ownerOfPostgres, type PostgresPlan, type Server, startPostgresAs } from './servers.ts'

/** PgBouncer before a server that trusts everybody. `options` are lines of its section `[pgbouncer]`. */
export function startPgbouncer(server: { readonly port: number }, ...options: string[]): Promise<Server> {
  const owner = ownerOfPostgres()
  const ini = (port: number, directory: string) =>
    [
      '[databases]',
      `postgres = host=127.0.0.1 port=${server.port} dbname=postgres user=postgres`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${port}`,
      `unix_socket_dir = ${directory}`,
      'auth_type = any',
      'pool_mode = transaction',
      'default_pool_size = 5',
      'server_login_retry = 1',
      ...options,
    ].join('\n')
  return startServer({
    name: 'pgbouncer',
    bin: need('pgbouncer'),
    ...owner,
    args: (directory, port) => {
      const path = join(directory, 'pgbouncer.ini')
      writeFileSync(path, ini(port, directory))
      return [path]
    },
    ready: (port) =>
      new Promise((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => resolve(socket.destroy()))
        socket.on('error', reject)
      }),
  })
}

/** A standby that streams from this server; `SELECT pg_promote()` makes it a primary. */
export function startStandby(primary: { readonly port: number }, plan: Omit<PostgresPlan, 'prepare'> = {}): Promise<Server> {
  return startPostgresAs({
    ...plan,
    prepare: (data, run) =>
      run('pg_basebackup', '-h', '127.0.0.1', '-p', String(primary.port), '-U', 'postgres', '-D', data, '-R', '-X', 'stream', '-c', 'fast'),
  })
}

/** A server whose clock can be stepped while it runs. */
export interface SteppedPostgres {
  readonly server: Server
  /** Its wall clock is so many seconds ahead of ours, from now on. */
  step(seconds: number): void
}

/** Whether a server with a clock of its own can be had here. */
export function canStep(): boolean {
  return findServer('postgres') !== undefined && faketime() !== undefined
}

export async function startSteppedPostgres(...options: string[]): Promise<SteppedPostgres> {
  const library = faketime()
  if (!library) throw new Error('libfaketime is not installed here: npm run setup')
  const directory = mkdtempSync(join(currentRun().temporary, 'clock-'))
  // The server runs as somebody else.
  chmodSync(directory, 0o755)
  const clock = join(directory, 'clock')
  const step = (seconds: number) => writeFileSync(clock, `${seconds < 0 ? '' : '+'}${seconds}`)
  step(0)
  const env = { LD_PRELOAD: library, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_NO_CACHE: '1', FAKETIME_DONT_FAKE_MONOTONIC: '1' }
  return { server: await startPostgresAs({ options, env }), step }
}

/** A server whose wall clock goes at another rate than ours, e.g. 1.1. */
export function startSkewedPostgres(rate: number, ...options: string[]): Promise<Server> {
  const library = faketime()
  if (!library) throw new Error('libfaketime is not installed here: npm run setup')
  return startPostgresAs({ options, env: { LD_PRELOAD: library, FAKETIME: `+0 x${rate}`, FAKETIME_DONT_FAKE_MONOTONIC: '1' } })
}

function faketime(): string | undefined {
  const folders = readdirSync('/usr/lib').map((name) => join('/usr/lib', name, 'faketime'))
  for (const folder of folders) {
    try {
      const name = readdirSync(folder).find((file) => file.startsWith('libfaketime.so'))
      if (name) return join(folder, name)
    } catch {
      // Not here.
    }
  }
  return undefined
}
