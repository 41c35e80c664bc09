/**
 * A cluster whose worker leads: the primary forks it, and can be told to disconnect it. Messages go to whoever started
 * the primary.
 */

import cluster from 'node:cluster'
import { file } from '../../../src/stores/file.ts'

export type ClusterNews = { readonly worker: number } | { readonly disconnected: true }

const [, , dir, election] = process.argv

if (cluster.isPrimary) {
  const worker = cluster.fork()
  worker.on('message', () => process.send?.({ worker: worker.process.pid }))
  worker.on('disconnect', () => process.send?.({ disconnected: true }))
  process.on('message', () => worker.disconnect())
  process.on('disconnect', () => process.exit())
} else {
  const store = file({ dir })
  const bid = { election: election ?? '', holder: `${process.pid}`, candidate: 'worker', ttlMs: 120_000 }
  const lease = await store.acquire(bid, new AbortController().signal)
  if (lease?.holder !== bid.holder) throw new Error('the worker does not lead')
  process.send?.('leads')
  // Lives until it is killed.
  setInterval(() => {}, 1e6)
}
