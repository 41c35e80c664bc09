/** Short questions about elections of one store that can wait for different times: neither fails the other. */

import { equal, notEqual, ok, rejects } from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import type { LeaseStore } from '../../../src/store.ts'
import { startProxy } from '../../harness/proxy.ts'
import { need } from '../../harness/servers.ts'
import { inTheAir } from '../../in-the-air.ts'
import { type Bench, bidFor, fresh } from './bench.ts'
import type { Check } from './checks.ts'

/** So long each renewal of the slow election takes: longer than the hasty one waits. */
const SLOW_S = 0.8

export function silenceChecks(boundMs: number): readonly Check[] {
  const soon = () => AbortSignal.timeout(boundMs)
  return [
    {
      name: 'a patient call on a silent connection holds up nobody',
      async ask(bench, make) {
        const proxy = await startProxy(bench.server.port)
        bench.ends(() => proxy.close())
        const store = make(bench.pool(proxy.port))
        const hasty = bidFor(fresh(), { ttlMs: 6000 })
        const patient = bidFor(fresh(), { ttlMs: 600_000 })
        await Promise.all([hasty, patient].map((bid) => store.acquire(bid, soon())))
        const held = proxy.hold(patient.election)
        const stuck = inTheAir(store.renew(patient, new AbortController().signal))
        await held.caught
        const end = performance.now() + boundMs
        let answer: number | undefined
        while (answer === undefined && performance.now() < end) {
          answer = await store.renew(hasty, AbortSignal.timeout(700)).catch(() => undefined)
        }
        notEqual(answer, undefined)
        await rejects(stuck, /others cannot wait/)
        // It can be asked again, at once.
        equal(await store.renew(patient, soon()), 600_000)
      },
    },
    {
      name: 'a call that takes its time is answered, although others cannot wait for it',
      async ask(bench, make) {
        const store = make(bench.pool())
        const slow = bidFor(fresh('slow'), { ttlMs: 600_000 })
        await store.acquire(slow, soon())
        await slowed(bench, slow.election, SLOW_S)
        const over = new AbortController()
        const pressing = press(store, over.signal)
        try {
          const end = performance.now() + boundMs
          const renewed = () => store.renew(slow, soon()).catch(() => 0)
          let granted = 0
          while (granted === 0 && performance.now() < end) granted = await renewed()
          equal(granted, 600_000)
          // Learned: from now on it is waited for. A machine that stalls may take even longer once.
          let failures = 0
          for (let i = 0; i < 4; i++) failures += (await renewed()) === 0 ? 1 : 0
          ok(failures <= 1, `${failures} of 4 were given up`)
        } finally {
          over.abort()
          await pressing
        }
      },
    },
    {
      name: 'an answer that came while the loop was blocked is seen before its session is given up',
      async ask(bench, make) {
        const store = make(bench.pool())
        const hasty = bidFor(fresh(), { ttlMs: 6000 })
        const patient = bidFor(fresh(), { ttlMs: 600_000 })
        await Promise.all([hasty, patient].map((bid) => store.acquire(bid, soon())))
        await slowed(bench, patient.election, 0.2)
        const answered = await answers(bench, patient.election)
        const renewed = inTheAir(store.renew(patient, soon()))
        // It leaves in the second of them.
        for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
        const late = inTheAir(store.renew(hasty, AbortSignal.timeout(50)))
        // For longer than the hasty one can bear, and until the answer is there.
        const [least, most] = [performance.now() + 1500, performance.now() + boundMs]
        while (performance.now() < least || (!answered() && performance.now() < most)) blocked(50)
        await rejects(late)
        equal(await renewed, 600_000)
      },
    },
  ]
}

/** Each change of this row takes its time. */
async function slowed(bench: Bench, election: string, seconds: number): Promise<void> {
  await bench.admin.query(`CREATE OR REPLACE FUNCTION take_time() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_sleep(${seconds}); RETURN NEW; END $$`)
  await bench.admin.query(`CREATE OR REPLACE TRIGGER take_time BEFORE UPDATE ON tenure_lease FOR EACH ROW
    WHEN (OLD.name = '${election}') EXECUTE FUNCTION take_time()`)
  bench.ends(() => bench.admin.query('DROP TRIGGER take_time ON tenure_lease'))
}

/** Whether the server has changed that row since, and has sent its answer. It can be asked while the loop is blocked. */
async function answers(bench: Bench, election: string): Promise<() => boolean> {
  const version = 'SELECT xmin::text AS version FROM tenure_lease WHERE name = '
  const { rows } = await bench.admin.query(`${version} $1`, [election])
  const changed = `(${version} '${election}') <> '${rows[0].version}'`
  // Who waits for the next statement has sent all of the answer to the last one.
  const busy = "SELECT FROM pg_stat_activity WHERE application_name = 'tenure' AND wait_event IS DISTINCT FROM 'ClientRead'"
  const at = ['-h', '127.0.0.1', '-p', String(bench.server.port), '-U', 'postgres', '-d', 'postgres']
  const psql = join(need('postgres'), '..', 'psql')
  return () => execFileSync(psql, ['-X', ...at, '-Atc', `SELECT ${changed} AND NOT EXISTS (${busy})`], { encoding: 'utf8' }).trim() === 't'
}

/** Nothing of this process runs meanwhile. */
function blocked(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Somebody who asks again and again, and never waits for long. */
async function press(store: LeaseStore, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    const bid = bidFor(fresh('hasty'), { ttlMs: 1200 })
    await store.acquire(bid, AbortSignal.timeout(200)).catch(() => undefined)
    // Not without a pause: an answer must be able to come in.
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
