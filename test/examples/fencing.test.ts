import { expect, test, vi } from 'vitest'

test('a write that lands late is refused by its token', async () => {
  const said: string[] = []
  const log = vi.spyOn(console, 'log').mockImplementation((...words) => void said.push(words.join(' ')))
  try {
    await import('../../examples/fencing.ts')
  } finally {
    log.mockRestore()
  }
  expect(said).toEqual(['by first: written', 'by second: written', 'by first, late: refused', 'the report is by second'])
})
