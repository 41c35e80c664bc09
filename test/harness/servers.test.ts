import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { seen } from './seen.ts'
import { until } from './server.ts'
import { findServer, type ServerKind, startEtcd, startPostgres, startRedis } from './servers.ts'

const kinds: readonly [ServerKind, () => ReturnType<typeof startRedis>][] = [
  ['redis', startRedis],
  ['etcd', startEtcd],
  ['postgres', startPostgres],
]

describe.each(kinds)('%s', (kind, start) => {
  test.skipIf(!findServer(kind))('starts, survives a crash and a freeze, and leaves nothing behind', async () => {
    const server = await start()
    const { pid, directory } = server
    server.freeze()
    server.thaw()
    await server.restart()
    expect(server.pid).not.toBe(pid)
    await seen()
    await server.close()
    expect(existsSync(directory)).toBe(false)
    expect(alive(server.pid)).toBe(false)
  })
})

test('a server does not outlive a killed test run', async () => {
  // The keeper watches the pipe of its parent: a parent that is killed closes it.
  const keeper = new URL('./keeper.mjs', import.meta.url).pathname
  const parent = spawn(process.execPath, [
    '-e',
    `const { spawn } = require('node:child_process')
     const keeper = spawn(process.execPath, [${JSON.stringify(keeper)}, ''], { stdio: ['pipe', 'pipe', 'ignore'], detached: true })
     keeper.stdin.write(JSON.stringify({ start: { bin: 'sleep', args: ['1000'] } }) + '\\n')
     keeper.stdout.pipe(process.stdout)`,
  ])
  const pid = await new Promise<number>((resolve) => {
    parent.stdout.on('data', (data) => resolve((JSON.parse(String(data)) as { pid: number }).pid))
  })
  expect(alive(pid)).toBe(true)
  parent.kill('SIGKILL')
  await until('the server is gone', () => !alive(pid))
})

/** A zombie that nobody has reaped yet is not alive. */
function alive(pid: number): boolean {
  try {
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).startsWith('Z')
  } catch {
    return false
  }
}
