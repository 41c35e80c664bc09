/** The ports that servers are started on, while any other test may ask for any port. */

import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { freePort, reservePort, until } from './server.ts'

const ESTABLISHED = '01'
const TIME_WAIT = '06'

/** The states of the sockets of a port; the system gives nobody a port that has one. */
function statesOf(port: number): string[] {
  const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const sockets = readFileSync('/proc/net/tcp', 'latin1').split('\n')
  return sockets.map((line) => line.trim().split(/\s+/)).flatMap(([, address, , state = '']) => (address === local ? [state] : []))
}

async function listening(port: number, host: string): Promise<void> {
  const server = createServer().listen(port, host)
  onTestFinished(() => void server.close())
  await once(server, 'listening')
}

async function connected(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return 'connected'
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code ?? ''
  } finally {
    socket.destroy()
  }
}

describe.skipIf(process.platform !== 'linux')('the system gives it to nobody', () => {
  test('a free port, for a while', async () => {
    const port = await freePort()
    await until('it rests', () => statesOf(port).join() === TIME_WAIT)
  })

  test('a reserved one, until it is given back, and then for a while', async () => {
    const { port, release } = await reservePort()
    expect(statesOf(port)).toEqual([ESTABLISHED])
    release()
    await until('it rests', () => statesOf(port).join() === TIME_WAIT)
  })
})

describe.each(['127.0.0.1', '0.0.0.0'])('who asks for it by its number gets it, at %s', (host) => {
  test('a free port', async () => {
    const port = await freePort()
    expect(await connected(port)).toBe('ECONNREFUSED')
    await listening(port, host)
    expect(await connected(port)).toBe('connected')
  })

  test('a reserved one', async () => {
    const { port, release } = await reservePort()
    onTestFinished(release)
    expect(await connected(port)).toBe('ECONNREFUSED')
    await listening(port, host)
    expect(await connected(port)).toBe('connected')
  })
})
