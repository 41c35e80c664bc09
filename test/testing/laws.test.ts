import { describe, expect, test } from 'vitest'
import { type Law, LawBroken, laws, ManualClock, missing, openLab } from '../../src/testing/index.ts'
import type { Fault } from './faults/fault.ts'
import { faults } from './faults/index.ts'
import { plainStore, Server } from './plain-store.ts'

describe('the laws of a store', () => {
  test('a store that is right keeps them all', async () => {
    expect(await brokenBy(undefined)).toEqual([])
  })

  test.each(faults)('$fault: is caught by the law that names it', async (fault) => {
    expect((await brokenBy(fault)).sort()).toEqual([fault.law, ...(fault.also ?? [])].sort())
  })

  test('each law catches some fault', () => {
    const caught = new Set(faults.map(({ law }) => law))
    expect(laws.map(({ name }) => name).filter((name) => !caught.has(name))).toEqual([])
  })
})

/** The names of the laws that a fault breaks. */
async function brokenBy(fault: Fault | undefined): Promise<string[]> {
  const broken: string[] = []
  for (const law of laws) if (!(await keeps(law, fault))) broken.push(law.name)
  return broken
}

async function keeps(law: Law, fault: Fault | undefined): Promise<boolean> {
  const clock = new ManualClock()
  const server = new Server(clock)
  const lab = await openLab({
    open() {
      const right = plainStore(server)
      return { ...right, ...fault?.plant(server, right) }
    },
    boundMs: 2000,
    elapse: (ms) => clock.advance(ms),
    wipe(election) {
      server.rows.delete(election)
      server.wiped.add(election)
    },
    restart: () => {
      for (const row of server.rows.values()) row.expiresAt = Number.NaN
    },
  })
  expect(missing(law, lab)).toBeUndefined()
  try {
    await law.check(lab)
    return true
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(LawBroken)
    expect(String(thrown)).toMatch(/^LawBroken: Expected .+, got .+/)
    return false
  } finally {
    await lab.close()
  }
}
