/**
 * The guard: a process of its own that ends the tree of a run when its supervisor cannot. It shares the liveness of the
 * supervisor (the listening socket of the store), so that the crash is felt by others only when the guard, too, has
 * ended; and that it does only when no process of the tree is left. It knows the last instant for the tree, renewed with
 * every renewal. The channel ends, or that instant passes without word: SIGKILL, at once.
 *
 * It may assume nothing of its supervisor. It must never end before the tree, nor trust a timer or a duration.
 */

import { Server, type Socket } from 'node:net'
import type { GuardOrder, GuardReport } from './guard-words.ts'
import { type HostInstant, leftMs } from './instants.ts'
import { flushed, printable, putLine } from './output.ts'
import { processOf } from './processes.ts'
import { ProcessTree, send, type TreeRoot } from './tree.ts'

/** The longest between two looks at the clocks: a timer stands still while the machine sleeps. */
const LOOK_MS = 500

const [, , election = ''] = process.argv
let until: HostInstant | undefined
let tree: ProcessTree | undefined
let session = 0
let launcher: number | undefined
let timer: NodeJS.Timeout | undefined
let ending = false
/** Our share of the supervisor's liveness. */
const sockets = new Set<Server | Socket>()

process.on('message', (order: GuardOrder, socket: unknown) => {
  if (socket instanceof Server) keep(socket)
  take(order)
})
process.on('disconnect', () => end('its supervisor has ended'))
// It ends when its task has, not when somebody signals all that is called node.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const) process.on(signal, () => {})
report('ready')
// It may have ended before there was anybody here to hear of it.
if (!process.connected) end('its supervisor has ended')
// A first look takes three times as long as the next ones, and when it matters it has to be quick.
setImmediate(() => new ProcessTree({ mark: '-', session: 0 }).members())

/** Whether anybody hears it is not asked: the end of the channel tells of a supervisor that has ended. */
function report(word: GuardReport): void {
  process.send?.(word, undefined, {}, () => {})
}

function take(order: GuardOrder): void {
  switch (order.type) {
    case 'hold':
      plant(order.root)
      return watch(order.until)
    case 'until':
      return watch(order.until)
    case 'tree':
      return plant(order.root)
    case 'launcher':
      launcher = order.pid
      return
    case 'lead':
      return tree?.lead(order.group)
    case 'gone':
      tree = undefined
      launcher = undefined
      if (!ending) report('spared')
      return
    case 'dismiss':
      if (!ending) process.exit(0)
      return
    default:
      return order satisfies never
  }
}

function plant(root: TreeRoot): void {
  tree = new ProcessTree(root)
  session = root.session
  launcher = undefined
}

/** A follower that connects to the supervisor may be accepted here: it is as alive as the supervisor is to others. */
function keep(server: Server): void {
  sockets.add(server)
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.resume()
  })
}

function watch(instant: HostInstant): void {
  until = instant
  look()
}

function look(): void {
  clearTimeout(timer)
  if (!until || ending) return
  const left = leftMs(until)
  if (left <= 0) return end('its supervisor let the lease pass')
  timer = setTimeout(look, Math.min(Math.ceil(left), LOOK_MS))
}

function end(why: string): void {
  if (ending) return
  ending = true
  void endTree(why)
}

async function endTree(why: string): Promise<void> {
  if (tree) {
    putLine(`tenure: ${printable(election)}: ${why}; what it ran is ended`)
    // It would take the terminal back from whoever has it by now.
    if (launcher !== undefined && processOf(launcher)?.session === session) send(launcher, 'SIGKILL')
    await tree.gone(() => true)
  }
  // Now others may know. Nobody has to wait for a reader of that line.
  for (const socket of sockets) letGo(socket)
  await flushed(1000)
  // An orderly exit would wait for the thread that writes it.
  process.kill(process.pid, 'SIGKILL')
}

function letGo(socket: Server | Socket): void {
  if (socket instanceof Server) socket.close()
  else socket.destroy()
}
