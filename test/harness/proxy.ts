/**
 * A TCP proxy on loopback that does what networks do: stalls, cuts, leaves connections half open, delays, and loses
 * answers. It knows no protocol; a request is recognised by bytes it contains. What it holds is never lost unless it was
 * told to lose it, so that a request can land long after whoever sent it has given up.
 */

import { connect, createServer, type Server, type Socket } from 'node:net'

/** A request that was caught on its way. */
export interface Held {
  /** Resolves when the request has come, and stands still before the server. */
  readonly caught: Promise<void>
  /** Let it, and all that was sent after it, reach the server; also when its sender has gone meanwhile. */
  letGo(): void
}

/** One connection through the proxy. */
class Link {
  readonly client: Socket
  readonly server: Socket
  /** Bytes that stand still, in order, by direction. */
  readonly toServer: Buffer[] = []
  readonly toClient: Buffer[] = []
  requestsStalled = false
  answersStalled = false
  /** Nothing passes any more in either direction, and nobody is told. */
  halfOpen = false
  answersLost = false
  clientGone = false

  constructor(client: Socket, server: Socket) {
    this.client = client
    this.server = server
  }

  flush(): void {
    if (!this.requestsStalled) for (const data of this.toServer.splice(0)) this.server.write(data)
    if (!this.answersStalled) for (const data of this.toClient.splice(0)) this.client.write(data)
    if (this.clientGone && this.toServer.length === 0 && !this.halfOpen) this.server.end()
  }

  destroy(): void {
    this.client.destroy()
    this.server.destroy()
  }
}

export class TcpProxy {
  readonly port: number
  readonly #listener: Server
  readonly #links = new Set<Link>()
  readonly #traps = new Set<{ readonly bytes: Buffer; spring(link: Link): void }>()
  #stalled = false
  #refusing = false
  #answersLost = false
  #delayMs = 0
  #lost = 0

  constructor(listener: Server, port: number, target: number) {
    this.#listener = listener
    this.port = port
    listener.on('connection', (client) => this.#accept(client, target))
  }

  /** How many connections there are now. */
  get connections(): number {
    return this.#links.size
  }

  /** How many pieces of answers `dropAnswers` has lost. */
  get lost(): number {
    return this.#lost
  }

  /** Bytes stand still in both directions, of new connections too, until `resume()`. */
  stall(): void {
    this.#stalled = true
    for (const link of this.#links) {
      link.requestsStalled = true
      link.answersStalled = true
    }
  }

  /** End `stall`, `dropAnswers`, `delay` and `refuse`; what stood still is delivered. Half-open connections stay so. */
  resume(): void {
    this.#stalled = false
    this.#refusing = false
    this.#answersLost = false
    this.#delayMs = 0
    for (const link of this.#links) {
      link.requestsStalled = false
      link.answersStalled = false
      link.answersLost = false
      link.flush()
    }
  }

  /** Destroy all connections. New ones are taken. */
  cut(): void {
    for (const link of this.#links) link.destroy()
  }

  /** Take no new connection, as a host without a server would, until `resume()`. */
  refuse(): void {
    this.#refusing = true
  }

  /** The connections there are now go silent for ever: nothing passes, and neither side hears of the other's end. */
  halfOpen(): void {
    for (const link of this.#links) link.halfOpen = true
  }

  /** Requests pass, answers are lost, until `resume()`. */
  dropAnswers(): void {
    this.#answersLost = true
    for (const link of this.#links) link.answersLost = true
  }

  /** Everything takes so much longer in each direction. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  /** Catch the next request that contains these bytes. From then on its connection stands still in both directions. */
  hold(bytes: string): Held {
    let spring: (link: Link) => void = () => {}
    let held: Link | undefined
    const caught = new Promise<void>((resolve) => {
      spring = (link) => {
        held = link
        link.requestsStalled = true
        link.answersStalled = true
        resolve()
      }
    })
    const trap = { bytes: Buffer.from(bytes), spring }
    this.#traps.add(trap)
    return {
      caught,
      letGo: () => {
        this.#traps.delete(trap)
        if (!held) return
        held.requestsStalled = false
        held.answersStalled = false
        held.flush()
      },
    }
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#listener.close(resolve))
  }

  #accept(client: Socket, target: number): void {
    if (this.#refusing) {
      client.resetAndDestroy()
      return
    }
    const link = new Link(client, connect(target, '127.0.0.1'))
    link.requestsStalled = this.#stalled
    link.answersStalled = this.#stalled
    link.answersLost = this.#answersLost
    this.#links.add(link)
    client.setNoDelay(true)
    link.server.setNoDelay(true)
    client.on('data', (data) => this.#later(() => this.#request(link, data)))
    link.server.on('data', (data) => this.#later(() => this.#answer(link, data)))
    client.on('close', () => this.#later(() => this.#clientClosed(link)))
    link.server.on('close', () => this.#later(() => this.#serverClosed(link)))
    // A reset is one of the ways to end; `close` follows.
    client.on('error', () => {})
    link.server.on('error', () => {})
  }

  #request(link: Link, data: Buffer): void {
    if (link.halfOpen) return
    for (const trap of this.#traps) {
      if (!data.includes(trap.bytes)) continue
      this.#traps.delete(trap)
      trap.spring(link)
    }
    link.toServer.push(data)
    link.flush()
  }

  #answer(link: Link, data: Buffer): void {
    if (link.halfOpen) return
    if (link.answersLost) {
      this.#lost += 1
      return
    }
    link.toClient.push(data)
    link.flush()
  }

  #clientClosed(link: Link): void {
    link.clientGone = true
    link.flush()
    if (link.server.destroyed) this.#links.delete(link)
  }

  #serverClosed(link: Link): void {
    if (!link.halfOpen) link.client.destroy()
    if (link.clientGone || !link.halfOpen) this.#links.delete(link)
  }

  #later(then: () => void): void {
    if (this.#delayMs === 0) then()
    else setTimeout(then, this.#delayMs)
  }
}

/** Stand between clients and the server on this port. */
export function startProxy(target: number): Promise<TcpProxy> {
  const listener = createServer()
  return new Promise((resolve, reject) => {
    listener.on('error', reject)
    listener.listen(0, '127.0.0.1', () => {
      const address = listener.address()
      if (typeof address === 'object' && address) resolve(new TcpProxy(listener, address.port, target))
      else reject(new Error('no port'))
    })
  })
}
