/**
 * How long nobody serves when a primary is lost: the example service in two processes, and a client that writes one note
 * after the other. Measured from the signal to the first note that the other instance has acknowledged; the last pause
 * of the client and a write to the disk are in it.
 */

import { pause, Site } from '../test/examples/failover-http.ts'

const TTL_MS = 2000
const rounds = Number(process.argv[2] ?? 20)

for (const [name, signal] of [
  ['kill -9', 'SIGKILL'],
  ['graceful', 'SIGTERM'],
  ['frozen', 'SIGSTOP'],
] as const) {
  const gaps: number[] = []
  let lost = 0
  for (let round = 0; round < rounds; round++) {
    const site = new Site(TTL_MS)
    try {
      await site.open(2)
      const primary = await site.primary()
      for (const instance of site.instances) await site.ready(instance)
      site.write()
      await site.servedBy((port) => port === primary.port, 0)
      // At any moment of a renewal.
      await pause(200 + Math.random() * 700)
      const at = performance.now()
      primary.process.kill(signal)
      gaps.push((await site.servedBy((port) => port !== primary.port, at)) - at)
      await site.rest()
      const kept = await site.notes()
      lost += site.acknowledged.filter(({ id }) => !kept.has(id)).length
    } finally {
      await site.close()
    }
  }
  const sorted = gaps.sort((a, b) => a - b)
  const at = (share: number) => `${(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN).toFixed(1)}`
  console.log(
    `${name.padEnd(9)} n ${rounds}  least ${at(0)}  median ${at(0.5)}  p95 ${at(0.95)}  most ${at(1)} ms  acknowledged and lost: ${lost}`,
  )
}
