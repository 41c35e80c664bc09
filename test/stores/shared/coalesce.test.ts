import { describe, expect, test } from 'vitest'
import { Coalescer } from '../../../src/stores/shared/coalesce.ts'
import { plant } from '../../harness/plant.ts'
import { type Make, rules } from './coalesce-rules.ts'

const file = 'src/stores/shared/coalesce.ts'

interface Change {
  readonly find: string
  readonly replace: string
}

interface Fault extends Change {
  readonly fault: string
  readonly and?: Change
  readonly rules: readonly string[]
}

/** Each is a change to the source, and the rules that it breaks. */
const faults: readonly Fault[] = [
  {
    fault: 'a call joins a batch that has left',
    find: 'this.#gathered.push(call)',
    replace: `const early = this.flown?.find(({ name, settled }) => name === call.name && !settled)
      if (early) {
        const { resolve } = early
        early.resolve = (answer) => {
          resolve(answer)
          call.resolve(answer)
        }
        return
      }
      this.#gathered.push(call)`,
    and: { find: 'this.#flying += 1\n', replace: 'this.#flying += 1\n    this.flown = batch\n' },
    rules: ['a call never joins a batch that has left'],
  },
  {
    fault: 'a missing name counts as renewed',
    find: 'if (answer === undefined) this.#alone(call)\n        else call.resolve(answer)',
    replace: 'call.resolve(answer as Answer)',
    rules: ['silence about a request is no answer: it is asked alone'],
  },
  {
    fault: 'an error of a batch fails all',
    find: 'if (split) this.#alone(call)\n        else call.reject(error)',
    replace: 'call.reject(error)',
    rules: ['a batch that fails is asked member by member', 'one member that fails alone fails alone'],
  },
  {
    fault: 'an error of a batch is asked about without end',
    find: 'batch.length > 1 && (',
    replace: '(',
    rules: ['a batch of one that fails is not asked a second time'],
  },
  {
    fault: 'a lost connection makes a thousand calls of one',
    find: '(this.#parts.splits?.(error) ?? true)',
    replace: 'true',
    rules: ['an error that is about none of them is told to each, once'],
  },
  {
    fault: 'the same election twice in a batch',
    find: 'batch.set(call.name, call)',
    replace: 'batch.set(call.name + batch.size, call)',
    rules: ['one election is in a batch once'],
  },
  {
    fault: 'the second call for an election takes the place of the first',
    find: ' && !batch.has(call.name)',
    replace: '',
    rules: ['one election is in a batch once'],
  },
  {
    fault: 'no order by name',
    find: '.sort((a, b) => (a.name < b.name ? -1 : 1))',
    replace: '',
    rules: ['a batch is ordered by name'],
  },
  {
    fault: 'an aborted call leaves all the same',
    find: 'if (call.settled) continue\n',
    replace: '',
    rules: ['a call that is aborted before it leaves never leaves, and rejects at once', 'where all were aborted, nothing leaves'],
  },
  {
    fault: 'one impatient member gives up the batch for all',
    find: 'if (waiting === 0) controller',
    replace: 'controller',
    rules: ['a call that is aborted on its way rejects at once; the batch is given up when the last one has gone'],
  },
  {
    fault: 'a batch nobody waits for is never given up',
    find: 'if (waiting === 0) controller.abort(call.signal.reason)',
    replace: '',
    rules: ['a call that is aborted on its way rejects at once; the batch is given up when the last one has gone'],
  },
  {
    fault: 'a batch that has landed is given up',
    find: '.finally(landed)',
    replace: '',
    rules: ['a batch that has landed is not given up'],
  },
  {
    fault: 'what is left over is forgotten',
    find: 'else later.push(call)',
    replace: '',
    rules: ['a batch has its bound, and what is left over leaves next'],
  },
  {
    fault: 'what gathered meanwhile is forgotten',
    find: 'this.#flying -= 1\n      this.#schedule()',
    replace: 'this.#flying -= 1',
    rules: ['while as many are in the air as may be, calls gather'],
  },
  {
    fault: 'each call is a batch of its own',
    find: 'batch.size < this.#most',
    replace: 'batch.size < 1',
    rules: ['calls of one turn are one round trip, each answered for itself'],
  },
  {
    fault: 'the store is asked for somebody who has gone',
    find: '    if (call.settled) return\n    this.#parts',
    replace: '    this.#parts',
    rules: ['nobody is asked alone for whom nobody waits'],
  },
  {
    fault: 'a listener is left on each signal',
    find: "          signal.removeEventListener('abort', aborted)\n",
    replace: '',
    rules: ['nothing is left on a signal that lives long'],
  },
]

describe('many calls, one round trip', () => {
  test.each(rules)('$name', ({ check }) => check(Coalescer))
})

describe('faults of a coalescer are caught', () => {
  test.each(faults)('$fault', async ({ find, replace, and, rules: expected }) => {
    const changes = [{ find, replace }, ...(and ? [and] : [])].map((change) => ({ file, ...change }))
    const { Coalescer: faulty } = (await plant(file, changes)) as { Coalescer: Make }
    const broken: string[] = []
    for (const { name, check } of rules) if (!(await keeps(check(faulty)))) broken.push(name)
    expect(broken).toEqual(expect.arrayContaining([...expected]))
  })
})

/** A rule that neither holds nor breaks hangs: that is broken, too. */
async function keeps(checked: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const hangs = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, 300, false)
  })
  const holds = checked.then(
    () => true,
    () => false,
  )
  const outcome = await Promise.race([holds, hangs])
  clearTimeout(timer)
  return outcome
}
