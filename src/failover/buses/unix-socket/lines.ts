/**
 * Lines of JSON over a socket, each an object. What is not is told apart and dropped; a line without an end costs a
 * bounded amount of memory.
 */

import type { Socket } from 'node:net'
import { MAX_MESSAGE_BYTES } from '../../bus.ts'

/** What the listener and those who connect say to each other. */
export interface Words {
  /** Those who connect: who takes part through this connection. */
  readonly names?: readonly string[]
  /** The listener: who takes part through its own process. Comes first, and shows that it lives. */
  readonly hosts?: readonly string[]
  readonly text?: string
  /** Those who connect: number of this text. The listener: the text of this number has been passed on. */
  readonly number?: number
  /** The listener: this one's connection has ended. */
  readonly closed?: string
  /** Both: are you there, and yes. */
  readonly ping?: number
}

/** A message may grow sixfold when it is written as JSON. */
const MAX_LINE_BYTES = 8 * MAX_MESSAGE_BYTES
/** Somebody who takes nothing any more is cut off. */
const MAX_WAITING_BYTES = 64 * MAX_LINE_BYTES

export interface LinesOwner {
  heard(words: Words): void
  ignored(why: 'garbage' | 'oversized'): void
}

export function readLines(socket: Socket, owner: LinesOwner): void {
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let isTooLong = false
  const take = (part: Buffer) => {
    waitingBytes += part.length
    if (waitingBytes > MAX_LINE_BYTES) {
      isTooLong = true
      waiting = []
    } else waiting.push(part)
  }
  const end = () => {
    const line = Buffer.concat(waiting)
    waiting = []
    waitingBytes = 0
    if (isTooLong) owner.ignored('oversized')
    else if (line.length > 0) read(line, owner)
    isTooLong = false
  }
  socket.on('data', (data: Buffer) => {
    let from = 0
    for (let to = data.indexOf(10); to >= 0; to = data.indexOf(10, from)) {
      take(data.subarray(from, to))
      from = to + 1
      end()
    }
    if (from < data.length) take(data.subarray(from))
  })
}

/** Resolves when the system has taken it. */
export function writeLine(socket: Socket, words: Words): Promise<void> {
  return new Promise((resolve, reject) => {
    if (socket.destroyed || !socket.writable) return reject(new Error('the connection was closed'))
    if (socket.writableLength > MAX_WAITING_BYTES) {
      socket.destroy()
      return reject(new Error('the other side takes nothing any more'))
    }
    socket.write(`${JSON.stringify(words)}\n`, (error) => (error ? reject(error) : resolve()))
  })
}

function read(line: Buffer, owner: LinesOwner): void {
  const words = parse(line.toString('utf8'))
  if (words) owner.heard(words)
  else owner.ignored('garbage')
}

function parse(line: string): Words | undefined {
  try {
    const parsed: unknown = JSON.parse(line)
    return isWords(parsed) ? parsed : undefined
  } catch {
    return undefined
  }
}

function isWords(value: unknown): value is Words {
  if (typeof value !== 'object' || value === null) return false
  const { names, hosts, text, number, closed, ping } = value as Record<string, unknown>
  const isList = (list: unknown) => list === undefined || (Array.isArray(list) && list.length <= 100 && list.every(isName))
  const isText = (one: unknown) => one === undefined || typeof one === 'string'
  if (!isList(names) || !isList(hosts) || !isText(text) || !isText(closed)) return false
  const isNumber = (one: unknown) => one === undefined || typeof one === 'number'
  return isNumber(number) && isNumber(ping) && [names, hosts, text, number, closed, ping].some((one) => one !== undefined)
}

function isName(name: unknown): boolean {
  return typeof name === 'string' && name.length > 0 && name.length <= 200
}
