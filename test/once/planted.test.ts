import { describe, expect, test } from 'vitest'
import { type Change, plant } from '../harness/plant.ts'
import type { RunOnce } from './lab.ts'
import { scenarios } from './scenarios.ts'

const run = 'src/once/run.ts'
const ledger = 'src/once/ledger.ts'

const faults: readonly (Omit<Change, 'file'> & { readonly fault: string; readonly file?: string; readonly caughtBy: RegExp })[] = [
  {
    fault: 'who is elected does not ask whether it was done',
    find: 'if (this.#isDone(ledger)) return this.#finish({ once: { ran: false } })\n    if (ledger ===',
    replace: 'if (ledger ===',
    caughtBy: /^ten that call at once.*no version/,
  },
  {
    fault: 'who is elected asks whether it was done before it was elected',
    find: 'const ledger = await this.#persist(tenure, () => this.#read())',
    replace: 'const ledger = { run: this.#before, versions: [] } as Ledger',
    caughtBy: /^ten that call at once.*a version/,
  },
  {
    fault: 'every run there ever was counts',
    find: 'this.#before = ledger.run\n',
    replace: '',
    caughtBy: /^who calls while it runs/,
  },
  {
    fault: 'who waits does not look when somebody else leads',
    find: 'if (!leader?.isMe) void this.#look()',
    replace: 'void leader',
    caughtBy: /^who waits resolves although/,
  },
  {
    fault: 'the run is over when the work has returned, noted or not',
    find: 'const done = tenure.held && (await this.#note(',
    replace: 'const done = true || (await this.#note(',
    caughtBy: /^a run whose end could not be noted/,
  },
  {
    fault: 'the end is not noted',
    find: 'noted(ledger, tenure.fencingToken, this.#parts.version)',
    replace: 'ledger ?? noted(ledger, 0, undefined)',
    caughtBy: /^ten that call at once.*no version/,
  },
  {
    fault: 'work that throws is tried again here, for ever',
    find: 'if (tenure.held) this.#failure = { tenure, thrown }',
    replace: '',
    caughtBy: /^work that throws rejects/,
  },
  {
    fault: 'work that throws after its tenure has failed',
    find: 'if (tenure.held) this.#failure = { tenure, thrown }',
    replace: 'this.#finish({ thrown })',
    caughtBy: /^work that throws because its tenure ended/,
  },
  {
    fault: 'the wait ends a run of its own',
    find: 'if (this.#running) return\n',
    replace: '',
    caughtBy: /^who has waited for long enough/,
  },
  {
    fault: 'the wait is forgotten when it was over during a run of its own',
    find: 'if (this.#late && !this.#failure) this.#waited()',
    replace: '',
    caughtBy: /^whose own run was lost after the wait/,
  },
  {
    fault: 'a call that was aborted leaves before its work has ended',
    find: '      await this.#shell.stop()\n',
    replace: '      void this.#shell.stop()\n',
    caughtBy: /^aborting the runner/,
  },
  {
    fault: 'a call that has waited for long enough stays in the election',
    find: '      await this.#shell.stop()\n',
    replace: '',
    caughtBy: /^who has waited for long enough/,
  },
  {
    fault: 'the memo is tried in the tenure that works, whatever became of that write',
    find: 'if (ledger === unwritten) return this.#open(tenure)',
    replace: 'if (!(await this.#note(tenure, ledger)) || this.#end) return',
    caughtBy: /^what was done stays done.*lost/,
  },
  {
    fault: 'the memo is tried in the tenure that works, once that write was answered',
    find: 'if (ledger === unwritten) return this.#open(tenure)',
    replace: 'if (ledger === unwritten && !(await this.#note(tenure, ledger))) return',
    caughtBy: /^what was done stays done.*answered/,
  },
  {
    fault: 'the memo is not tried before the work',
    find: 'if (ledger === unwritten) return this.#open(tenure)',
    replace: 'void unwritten',
    caughtBy: /^rights are found missing/,
  },
  {
    fault: 'who has tried the memo does not stand again',
    find: 'if (await this.#note(tenure, unwritten)) void tenure.stepDown({ cooldownMs: 0 })',
    replace: 'await this.#note(tenure, unwritten)',
    caughtBy: /^the work begins although/,
  },
  {
    fault: 'only the last version is remembered',
    file: ledger,
    find: '[...others, version].slice(-VERSIONS)',
    replace: '[version].slice(-VERSIONS, others.length + 1)',
    caughtBy: /^a version that was done is not run again/,
  },
]

describe('a planted fault is caught', () => {
  test.each(faults)('$fault', async ({ file = run, find, replace, caughtBy }) => {
    const { runOnce } = (await plant('src/once.ts', [{ file, find, replace }])) as { runOnce: RunOnce }
    const caught: string[] = []
    for (const { name, plays } of scenarios) await plays(runOnce).catch(() => caught.push(name))
    expect(caught).toContainEqual(expect.stringMatching(caughtBy))
  })
})
