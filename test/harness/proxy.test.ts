import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { startProxy, type TcpProxy } from './proxy.ts'
import { until } from './server.ts'

/** Answers every request with itself, and remembers what reached it. */
async function startEcho(): Promise<{ port: number; heard: () => string; sockets: Set<Socket>; close: () => void }> {
  let heard = ''
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (data) => {
      heard += String(data)
      socket.write(data)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || !address) throw new Error('no port')
  const close = () => {
    for (const socket of sockets) socket.destroy()
    server.close()
  }
  return { port: address.port, heard: () => heard, sockets, close }
}

let ends: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ends) await end()
  ends = []
})

async function open(): Promise<{ proxy: TcpProxy; echo: Awaited<ReturnType<typeof startEcho>>; client: () => Promise<Client> }> {
  const echo = await startEcho()
  const proxy = await startProxy(echo.port)
  ends.push(() => proxy.close(), echo.close)
  return { proxy, echo, client: () => Client.open(proxy.port) }
}

class Client {
  readonly socket: Socket
  answers = ''
  closed = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (data) => {
      this.answers += String(data)
    })
    socket.on('close', () => {
      this.closed = true
    })
    socket.on('error', () => {})
    ends.push(() => socket.destroy())
  }

  static async open(port: number): Promise<Client> {
    const socket = connect(port, '127.0.0.1')
    const client = new Client(socket)
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
    return client
  }

  async says(text: string): Promise<void> {
    this.socket.write(text)
    await until(`${text} is answered`, () => this.answers.endsWith(text))
  }
}

test('passes requests and answers, also slowly', async () => {
  const { proxy, client } = await open()
  const a = await client()
  await a.says('one')
  proxy.delay(20)
  await a.says('two')
})

test('a stalled link loses nothing', async () => {
  const { proxy, echo, client } = await open()
  const a = await client()
  await a.says('one')
  proxy.stall()
  a.socket.write('two')
  const b = await client()
  b.socket.write('three')
  await until('both links are there', () => proxy.connections === 2)
  expect(echo.heard()).toBe('one')
  proxy.resume()
  await until('both are answered', () => a.answers === 'onetwo' && b.answers === 'three')
})

test('a request that was caught lands after its sender has gone', async () => {
  const { proxy, echo, client } = await open()
  const a = await client()
  const held = proxy.hold('renew')
  await a.says('look')
  a.socket.write('renew now')
  await held.caught
  a.socket.destroy()
  await until('the sender has gone', () => a.closed)
  expect(echo.heard()).toBe('look')
  held.letGo()
  await until('it lands', () => echo.heard() === 'lookrenew now')
  await until('the server is told of the end', () => echo.sockets.size === 0)
  await until('the link is forgotten', () => proxy.connections === 0)
})

test('a half-open link swallows everything, the end included; a new one works', async () => {
  const { proxy, echo, client } = await open()
  const a = await client()
  await a.says('one')
  proxy.halfOpen()
  a.socket.write('two')
  for (const socket of echo.sockets) socket.destroy()
  const b = await client()
  await b.says('three')
  expect(a.closed).toBe(false)
  expect(a.answers).toBe('one')
})

test('answers are lost, requests are not', async () => {
  const { proxy, echo, client } = await open()
  const a = await client()
  await a.says('one')
  proxy.dropAnswers()
  a.socket.write('two')
  await until('its answer is lost', () => proxy.lost === 1)
  expect(echo.heard()).toBe('onetwo')
  proxy.resume()
  await a.says('three')
  expect(a.answers).toBe('onethree')
})

test('cut connections end, refused ones do not begin', async () => {
  const { proxy, client } = await open()
  const a = await client()
  await a.says('one')
  proxy.refuse()
  proxy.cut()
  await until('it has ended', () => a.closed)
  const b = await client()
  await until('it is refused', () => b.closed)
  proxy.resume()
  await (await client()).says('two')
})
