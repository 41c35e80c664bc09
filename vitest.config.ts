import { defineConfig } from 'vitest/config'
import { beginRun } from './test/harness/run.ts'

beginRun()

// The reporter groups failures with a function that Node 20 does not have.
Map.groupBy ??= (items, keyOf) => {
  const groups = new Map()
  let index = 0
  for (const item of items) {
    const key = keyOf(item, index++)
    groups.set(key, [...(groups.get(key) ?? []), item])
  }
  return groups
}

/** Real servers, and below real processes and files: mostly they wait, so that three test files share the machine. */
const servers = [
  'test/failover/buses/{postgres,redis}.test.ts',
  'test/stores/!(file|sqlite|shared)/**/*.test.ts',
  'test/stores/!(memory|file|sqlite).test.ts',
  'test/examples/outbox.test.ts',
  'test/harness/**/*.test.ts',
  'test/once/servers.test.ts',
  'test/scenarios/servers.test.ts',
]
const processes = [
  'test/cli/**/*.test.ts',
  'test/examples/failover-*.test.ts',
  'test/failover/buses/{processes,unix-socket}.test.ts',
  'test/operations/promtool.test.ts',
  'test/scenarios/files.test.ts',
  'test/once/processes.test.ts',
  'test/examples/gates.test.ts',
  'test/stores/{file,sqlite,shared}/**/*.test.ts',
  'test/stores/{file,sqlite}.test.ts',
]
const common = { testTimeout: 30_000, hookTimeout: 60_000 }

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'pure',
          include: ['test/**/*.test.ts'],
          exclude: [...servers, ...processes],
          sequence: { groupOrder: 0 },
        },
      },
      { test: { ...common, name: 'processes', include: processes, maxWorkers: 3, sequence: { groupOrder: 1 } } },
      { test: { ...common, name: 'servers', include: servers, maxWorkers: 3, sequence: { groupOrder: 1 } } },
    ],
  },
})
