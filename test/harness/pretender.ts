/**
 * Speaks just enough of the protocol of Postgres to fail in ways that a real server cannot be made to: between a login and
 * the first answer, in the very segment of a login, or by saying nothing. It trusts everybody and stores nothing.
 */

import { createServer, type Socket } from 'node:net'

export interface Pretence {
  /** Somebody wants to log in, as the nth connection, counted from 1. */
  login(socket: Socket, nth: number): void
  /** Something else is said. */
  asked?(socket: Socket, nth: number): void
}

export interface Pretender {
  readonly port: number
  /** How many connections there were. */
  readonly logins: number
  /** How many there are. */
  readonly connections: number
  close(): Promise<void>
}

/** The answer to a login: welcome, and ready for a query. */
export const welcome: Buffer = Buffer.concat([message('R', int(0)), message('K', int(4242), int(1)), message('Z', Buffer.from('I'))])

/** An administrator ends the connection. */
export const dismissal: Buffer = message('E', Buffer.from('SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0'))

export function startPretender(pretence: Pretence): Promise<Pretender> {
  const sockets = new Set<Socket>()
  let logins = 0
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    // A client that goes away is what is tested.
    socket.on('error', () => socket.destroy())
    let nth = 0
    socket.on('data', () => {
      if (nth > 0) return pretence.asked?.(socket, nth)
      logins += 1
      nth = logins
      pretence.login(socket, nth)
    })
  })
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (typeof address !== 'object' || !address) return reject(new Error('no port'))
      resolve({
        port: address.port,
        get logins() {
          return logins
        },
        get connections() {
          return sockets.size
        },
        close() {
          for (const socket of sockets) socket.destroy()
          return new Promise((closed) => server.close(() => closed()))
        },
      })
    })
  })
}

function message(type: string, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type), int(body.length + 4), body])
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}
