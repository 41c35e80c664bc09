/**
 * A stale leader that etcd itself refuses: its write is one transaction with a comparison that holds only while its
 * tenure stands. Run it with the address of a server that may be written to:
 *
 *   npx esbuild examples/fencing-etcd.ts --bundle --platform=node --format=esm | node --input-type=module - http://127.0.0.1:2379
 */

// In your project: 'tenure' and 'tenure/etcd'.
import { Candidate } from '../src/index.ts'
import { type Compare, etcd, fenced } from '../src/stores/etcd.ts'

const endpoint = process.argv.find((argument) => argument.startsWith('http')) ?? 'http://127.0.0.1:2379'
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** A write with any client: here by hand. */
async function write(value: string, compare: readonly Compare[]): Promise<boolean> {
  const success = [{ request_put: { key: base64('report'), value: base64(value) } }]
  const response = await fetch(`${endpoint}/v3/kv/txn`, { method: 'POST', body: JSON.stringify({ compare, success }) })
  return ((await response.json()) as { succeeded?: boolean }).succeeded === true
}

const store = etcd({ endpoints: endpoint })
const first = new Candidate({ election: 'fencing-example', store, id: 'first' })
const second = new Candidate({ election: 'fencing-example', store: etcd({ endpoints: endpoint }), id: 'second' })

await first.start()
const old = first.tenure
if (!old) throw new Error('somebody else leads the election of this example')
console.log('first leads, writes:', await write('by first', fenced(old)))

// It hands over, and something of it goes on writing with what it knew.
const elected = new Promise((resolve) => second.on('elected', resolve))
await second.start()
await first.stop()
await elected
console.log('first writes late:', await write('by first, late', fenced(old)))

const now = second.tenure
if (now) console.log('second leads, writes:', await write('by second', fenced(now)))
await second.stop()
// Nobody leads: nobody writes.
if (now) console.log('second writes after its end:', await write('by second, late', fenced(now)))
