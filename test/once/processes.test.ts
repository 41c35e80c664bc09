import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, onTestFinished, test } from 'vitest'
import { frozenInTheMiddle, killedInTheMiddle } from './stage.ts'

function directory(): string {
  const dir = mkdtempSync(join(tmpdir(), 'tenure-once-store-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }))
  return dir
}

describe('runOnce in real processes, on one host', () => {
  test(
    'ten call at once, the runner is killed: another runs it, all resolve',
    () => killedInTheMiddle(`file:${directory()}`, 10, 5000),
    90_000,
  )

  test('on SQLite, too', () => killedInTheMiddle(`sqlite:${directory()}/app.db?tenure_create=true`, 4, 5000), 90_000)

  test(
    'the runner is frozen: another runs it, and what it comes to does not count',
    () => frozenInTheMiddle(`file:${directory()}`, 1500),
    60_000,
  )
})
