import { defineConfig } from 'vitest/config'

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

/** Tests of real processes, files and servers: one file after the other, so that they share the machine with nobody. */
const real = [
  'test/cli/**/*.test.ts',
  'test/harness/**/*.test.ts',
  'test/scenarios/**/*.test.ts',
  'test/stores/*/**/*.test.ts',
  'test/stores/!(memory).test.ts',
]
const common = { testTimeout: 30_000, hookTimeout: 60_000 }

export default defineConfig({
  test: {
    projects: [
      {
        test: { ...common, name: 'pure', include: ['test/**/*.test.ts'], exclude: real, sequence: { groupOrder: 0 } },
      },
      {
        test: { ...common, name: 'real', include: real, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
  },
})
