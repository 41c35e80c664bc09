import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { MAX_MESSAGE_BYTES, unixSocketBus } from '../../../src/failover.ts'
import { BusLab, describeBus, type Ear } from '../../../src/testing/index.ts'
import { until } from '../../harness/server.ts'

const root = mkdtempSync(join(tmpdir(), 'tenure-bus-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let grounds = 0

function write(path: string, ...lines: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.end(lines.join('\n')))
    socket.on('close', () => resolve())
    socket.on('error', reject)
    socket.resume()
  })
}

describeBus('unix-socket', {
  runner: { describe, test },
  ground() {
    const dir = join(root, `${++grounds}`)
    const path = join(dir, 'bus.sock')
    return {
      open: () => unixSocketBus({ path }),
      apart: () => unixSocketBus({ path: join(dir, 'other.sock') }),
      inject: (what) =>
        what === 'garbage'
          ? write(path, '\u0000\u0001', '{', '[]', '{"text":5}', '{"names":"x"}', '', 'null\n')
          : write(path, 'x'.repeat(1e6), `{"text":"${'x'.repeat(MAX_MESSAGE_BYTES + 1)}"}`, ''),
      // Where the directory should be is a file: nobody can listen, and nobody is there.
      async fall() {
        rmSync(dir, { recursive: true })
        writeFileSync(dir, '')
      },
      rise: async () => rmSync(dir),
      tellsEnds: true,
    }
  },
})

describe('a Unix socket', () => {
  const labs: BusLab[] = []
  afterEach(async () => {
    for (const lab of labs.splice(0)) await lab.close()
  })

  function lab(): { readonly path: string; readonly lab: BusLab } {
    const path = join(root, `${++grounds}`, 'bus.sock')
    const made = new BusLab({ open: () => unixSocketBus({ path }) }, 30_000)
    labs.push(made)
    return { path, lab: made }
  }

  /** Everybody hears everybody: said until it is so, for while they come together some is lost. */
  async function together(made: BusLab, ears: readonly Ear[]): Promise<void> {
    for (const from of ears) {
      const heardByAll = (text: string) => ears.every((ear) => ear.texts.includes(text))
      const said: string[] = []
      await until('all hear one', async () => {
        const text = made.text()
        await made.say(from, text).then(
          () => said.push(text),
          () => {},
        )
        await new Promise((resolve) => setTimeout(resolve, 20))
        return said.some(heardByAll)
      })
    }
  }

  test('twelve that come at once, to nobody, are one bus', async () => {
    for (let round = 0; round < 5; round++) {
      const { lab: made } = lab()
      const ears = await Promise.all(Array.from({ length: 12 }, () => made.ear()))
      await together(made, ears)
      for (const { end } of ears) expect(end).toBeUndefined()
    }
  })

  test('what was left behind by a process that was killed is taken over', async () => {
    const { path, lab: made } = lab()
    mkdirSync(dirname(path), { recursive: true })
    const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`
    spawnSync(process.execPath, ['-e', script])
    expect(existsSync(path)).toBe(true)
    await together(made, [await made.ear(), await made.ear()])
  })

  test('a name that is removed, or taken by another, brings all together again', async () => {
    const { path, lab: made } = lab()
    const ears = [await made.ear(), await made.ear(), await made.ear()]
    await together(made, ears)
    rmSync(path)
    await together(made, [...ears, await made.ear()])
    // Somebody else takes the name, and then is gone.
    rmSync(path)
    const stranger = createServer()
    await new Promise<void>((resolve) => stranger.listen(path, resolve))
    await new Promise((resolve) => stranger.close(resolve))
    await together(made, [...ears, await made.ear()])
    for (const { end } of ears) expect(end).toBeUndefined()
  })

  test('one that listens and says nothing is taken for frozen', async () => {
    const { path, lab: made } = lab()
    mkdirSync(dirname(path), { recursive: true })
    const frozen = createServer()
    await new Promise<void>((resolve) => frozen.listen(path, resolve))
    try {
      await together(made, [await made.ear(), await made.ear()])
    } finally {
      frozen.close()
    }
  })

  test('one that stops reading holds up nobody', async () => {
    const { path, lab: made } = lab()
    const [a, b] = [await made.ear(), await made.ear()]
    const deaf = connect(path)
    deaf.pause()
    await new Promise((resolve) => deaf.on('connect', resolve))
    try {
      const text = 'x'.repeat(4000)
      for (let i = 0; i < 2000; i++) await made.say(a, text)
      await made.until(() => b.texts.length === 2000, 'the others were held up')
    } finally {
      deaf.destroy()
    }
  })

  test('only this user may open it, and nothing of it is left when all have gone', async () => {
    const { path, lab: made } = lab()
    const [a, b] = [await made.ear(), await made.ear()]
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(statSync(dirname(path)).mode & 0o777).toBe(0o700)
    a.leave()
    b.leave()
    await until('nothing is left', () => readdirSync(dirname(path)).length === 0)
  })

  test('a program ends by itself after stop()', async () => {
    const { path } = lab()
    const outfile = join(root, 'program.mjs')
    const contents = `
      import { Failover, unixSocketBus } from './src/failover.ts'
      import { file } from './src/stores/file.ts'
      const dir = ${JSON.stringify(dirname(path))}
      const failover = new Failover({ election: 'x', arbiter: file({ dir }), bus: unixSocketBus({ path: ${JSON.stringify(path)} }),
        onPromote() {}, async onDemote(reason) { console.log(reason) } })
      await failover.start()
      while (!failover.status().bus.joined) await new Promise((resolve) => setTimeout(resolve, 5))
      console.log(failover.role)
      await failover.stop()`
    const stdin = { contents, resolveDir: process.cwd(), loader: 'ts' as const }
    await build({ stdin, outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20.19' })
    const { stdout, stderr, status } = spawnSync(process.execPath, [outfile], { encoding: 'utf8', timeout: 25_000 })
    expect({ stdout, stderr, status }).toEqual({ stdout: 'primary\nstopped\n', stderr: '', status: 0 })
  })
})
