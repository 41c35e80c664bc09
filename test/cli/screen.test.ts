/** What stands on the screen of a person whose terminal is narrow, low, or changes its size. */

import { rmSync, writeFileSync } from 'node:fs'
import { spawn } from '@lydell/node-pty'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { widthOf } from '../../src/cli/width.ts'
import { file } from '../../src/stores/file.ts'
import { Emulator } from './emulator.ts'
import { BOUND_MS, place, until } from './harness.ts'

const here = place()
const ends: (() => void)[] = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

/** `tenure` at a terminal of its own. */
function terminal(args: readonly string[], { columns, rows }: { columns: number; rows: number }, main = `${here.folder}/cli/main.js`) {
  const pty = spawn(process.execPath, [main, ...args], {
    cols: columns,
    rows,
    cwd: here.folder,
    env: here.environment({ TERM: 'xterm' }) as Record<string, string>,
  })
  const emulator = new Emulator(columns, rows)
  const exited = new Promise<number>((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode)))
  let drawn = 0
  pty.onData((data) => {
    drawn += data.split('\u001b[H').length - 1
    emulator.write(data)
  })
  ends.push(() => pty.kill('SIGKILL'))
  return {
    emulator,
    exited,
    get drawn() {
      return drawn
    },
    resize(width: number, height: number) {
      emulator.resize(width, height)
      pty.resize(width, height)
    },
    shows: (pattern: RegExp, boundMs = BOUND_MS) =>
      until(
        () => pattern.test(emulator.screen.join('\n')),
        () => `the screen to show ${pattern}, it shows:\n${[...emulator.scrolled, '---', ...emulator.screen].join('\n')}`,
        boundMs,
      ),
  }
}

/** Elections with a leader each, led by this process. */
async function led(...elections: readonly (readonly [name: string, candidate: string])[]): Promise<void> {
  const store = file({ dir: here.store.slice('file:'.length) })
  ends.push(() => void store.close?.())
  for (const [election, candidate] of elections) {
    await store.acquire({ election, candidate, holder: `holder of ${election}`, ttlMs: 600_000 }, AbortSignal.timeout(BOUND_MS))
  }
}

describe('the demonstration', { timeout: 90_000 }, () => {
  /** It judges itself by what a machine that does nothing else can do. What is drawn is the same on a slow one. */
  let patient = ''
  beforeAll(async () => {
    patient = await here.faulty(
      'patient',
      { file: 'src/cli/demo/words.ts', from: 'ttlMs = 2000', to: 'ttlMs = 4000' },
      { file: 'src/cli/demo/play.ts', from: 'BOUND_MS = 19_000', to: 'BOUND_MS = 80_000' },
      // What it waits longer for the lease, it waits less for the reader.
      { file: 'src/cli/demo/play.ts', from: 'setTimeout(resolve, milliseconds)', to: 'setTimeout(resolve, milliseconds / 2)' },
      { file: 'src/cli/demo/play.ts', from: 'supersededMs < ttlMs * 2', to: 'supersededMs < ttlMs * 10' },
    )
  })

  const told = ({ emulator }: ReturnType<typeof terminal>) => [...emulator.scrolled, ...emulator.screen]
  const drawn = (demo: ReturnType<typeof terminal>) => told(demo).filter((row) => /pid \d|ledger:/.test(row))

  async function ended(demo: ReturnType<typeof terminal>): Promise<void> {
    expect(await demo.exited).toBe(0)
    const story = () => told(demo).join('').replace(/\s+/g, '')
    // The last of what it said may be read after its end is known.
    await until(
      () => story().endsWith('docs/safety.md.'),
      () => `the end of the story: ${story()}`,
    )
    // What is drawn again and again took nothing of the story with it.
    expect(story()).toMatch(/Threeprocesses.*kill-9.*SIGSTOP.*SIGCONT.*isaskedtostop.*Seen/)
  }

  test.each([
    { columns: 30, rows: 24 },
    { columns: 60, rows: 4 },
  ])('at %o: what is drawn again leaves nothing behind', async (size) => {
    const demo = terminal(['demo'], size, patient)
    await demo.shows(/● \w+ +pid \d+/)
    await ended(demo)
    expect(drawn(demo)).toEqual([])
  })

  test('a terminal that becomes narrow and low: it is drawn for that from then on', async () => {
    const demo = terminal(['demo'], { columns: 100, rows: 24 }, patient)
    await demo.shows(/● \w+ +pid \d+.*token \d+/)
    demo.resize(30, 10)
    await demo.shows(/ledger: \d+ writes accepted,…/)
    // One was perhaps on its way, as wide as the terminal was.
    const before = drawn(demo).length
    await ended(demo)
    expect(drawn(demo).length).toBeLessThan(before)
  })
})

describe('status', () => {
  const long = `host-${'x'.repeat(60)}-4711`

  test('names that are too long are cut at a terminal, and nowhere else', async () => {
    await led(['outbox', long], ['日本語', 'ha\u0308ns'])
    const narrow = terminal(['status'], { columns: 90, rows: 24 })
    expect(await narrow.exited).toBe(0)
    await narrow.shows(/outbox +host-x+…x+-4711 +\d{4}/)
    await narrow.shows(/日本語 +ha\u0308ns +\d{4}/)
    const rows = narrow.emulator.screen.filter((row) => /outbox|日本語/.test(row))
    // Aligned, although a character may take two columns, or none.
    expect(new Set(rows.map((row) => widthOf(row.slice(0, row.search(/\d{4}-\d\d-/))))).size).toBe(1)
    const { out } = await here.ended(['status'])
    expect(out).toContain(long)
    expect(out).not.toContain('…')
  })

  test('--watch: drawn anew on the same screen, however narrow and low it is, and as wide as it becomes', async () => {
    const many = Array.from({ length: 10 }, (_, index) => [`election-${index}`, long] as const)
    await led(...many)
    const watch = terminal(['status', '--watch'], { columns: 40, rows: 8 })
    await until(
      () => watch.drawn >= 3,
      () => 'to be drawn again',
    )
    await watch.shows(/… and 7 more/)
    expect(watch.emulator.scrolled).toEqual([])
    expect(watch.emulator.screen[0]).toMatch(/^file:.*…$/)
    expect(watch.emulator.screen[2]).toMatch(/^ELECTION +LEADER/)
    const drawn = watch.drawn
    watch.resize(200, 30)
    await watch.shows(new RegExp(`election-9 +${long} +\\d{4}`))
    expect(watch.drawn).toBeGreaterThan(drawn)
    expect(watch.emulator.scrolled).toEqual([])
    expect(watch.emulator.screen.join('\n')).not.toContain('more')
  })

  test('--watch: a store that does not answer is told in the view, which goes on', async () => {
    const main = await here.faulty('at-times', {
      file: 'src/cli/connect-file.ts',
      from: 'return {\n    store,',
      to: `return {
        store: { ...store, list: async (signal) => {
          if (existsSync(dir + '.down')) throw faultOf(Object.assign(new Error(), { code: 'EIO' }), dir)
          return store.list(signal)
        } },`,
    })
    await led(['outbox', 'me'])
    const watch = terminal(['status', '--watch'], { columns: 150, rows: 24 }, main)
    await watch.shows(/outbox +me/)
    const down = `${here.store.slice('file:'.length)}.down`
    writeFileSync(down, '')
    await watch.shows(/no answer for [\d.]+s: file: cannot use .*the disk fails[\s\S]*outbox +me/)
    rmSync(down)
    await until(
      () => !watch.emulator.screen.join('\n').includes('no answer'),
      () => 'the store to answer again',
    )
    await watch.shows(/outbox +me/)
  })
})
