/**
 * Starts one server, and outlives whoever asked for it just long enough to end it: when the pipe from the parent closes,
 * for whatever reason, the server is killed and its directory removed. Plain JavaScript, so that any Node runs it as is.
 *
 * Speaks lines of JSON with the parent: in { start: { bin, args, uid?, gid?, env? } }, { signal }, { end }; out { pid }, { exit }.
 */

import { spawn } from 'node:child_process'
import { closeSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const [directory] = process.argv.slice(2)
let server
let ending = false

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)
process.stdout.on('error', () => end())

function start({ bin, args, uid, gid, env }) {
  const log = directory ? openSync(join(directory, 'server.log'), 'a') : 'ignore'
  server = spawn(bin, args, { cwd: directory || undefined, uid, gid, env: { ...process.env, ...env }, stdio: ['ignore', log, log] })
  if (directory) closeSync(log)
  const own = server
  own.on('spawn', () => say({ pid: own.pid }))
  own.on('error', (error) => say({ error: error.message }))
  own.on('exit', (code, signal) => {
    say({ exit: code, signal })
    if (ending) leave()
  })
}

function end() {
  if (ending) return
  ending = true
  if (!server || server.exitCode !== null || server.signalCode !== null) return leave()
  // A frozen server has to be woken to die in peace.
  server.kill('SIGCONT')
  server.kill('SIGKILL')
}

function leave() {
  if (directory) rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 })
  process.exit(0)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end)
const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => {
  const message = JSON.parse(line)
  if (message.start) start(message.start)
  if (message.signal) server?.kill(message.signal)
  if (message.end) end()
})
lines.on('close', end)
