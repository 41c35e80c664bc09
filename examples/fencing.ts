/**
 * A stale leader that the resource itself refuses, with nothing to install:
 *
 *   npx esbuild examples/fencing.ts --bundle --platform=node --format=esm | node --input-type=module -
 */

// In your project: 'tenure' and 'tenure/memory'.
import { Candidate, Fence, TenureError } from '../src/index.ts'
import { memory } from '../src/stores/memory.ts'

/** What is guarded: it remembers the largest token that it has seen, and refuses a smaller one. */
class Report {
  readonly #fence = new Fence()
  text = ''

  write(text: string, fencingToken: number): void {
    this.#fence.assertAdmits(fencingToken)
    this.text = text
  }
}

const report = new Report()
const store = memory()
const first = new Candidate({ election: 'report', id: 'first', store })
const second = new Candidate({ election: 'report', id: 'second', store })

/** A write that left its process while it led, and may land whenever it likes. */
function land(text: string, fencingToken: number): string {
  try {
    report.write(text, fencingToken)
    return 'written'
  } catch (error) {
    if (error instanceof TenureError && error.code === 'stale-token') return 'refused'
    throw error
  }
}

await first.start()
const old = first.tenure
if (!old) throw new Error('it stands alone, and leads')
console.log('by first:', land('by first', old.fencingToken))

const elected = new Promise((resolve) => second.on('elected', resolve))
await second.start()
await first.stop()
await elected
const now = second.tenure
if (now) console.log('by second:', land('by second', now.fencingToken))
console.log('by first, late:', land('by first, late', old.fencingToken))
console.log(`the report is ${report.text}`)
await second.stop()
