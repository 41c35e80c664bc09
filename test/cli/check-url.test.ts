import { describe, expect, test } from 'vitest'
import { checkUrl } from '../../src/cli/check-url.ts'
import { connect } from '../../src/cli/connect.ts'
import { Refusal } from '../../src/cli/exit-codes.ts'

describe('a password that is not escaped', () => {
  test.each([
    'redis://:se#cret@127.0.0.1:1',
    'rediss://me:12#cret@127.0.0.1:1',
    'redis://:se?cret@127.0.0.1:1',
    'redis://:%secret@127.0.0.1:1',
    'postgres://app:se#cret@host/db',
    'postgres://app:12#cret@host/db',
    'postgres://app:12/cret@host/db',
    'postgres://app:12?cret@host/db',
    'postgres://app:%secret@host/db',
    'postgres-advisory://app:se/cret@host/db?tenure_key=1',
    'postgresql://app:cret#@host/db',
  ])('%s: 78, one line, and no secret', async (url) => {
    const refused: unknown = await connect(url).catch((thrown: unknown) => thrown)
    if (!(refused instanceof Refusal)) throw new Error(`not refused: ${url}`)
    expect(refused.exitCode).toBe(78)
    expect(refused.message).not.toMatch(/cret|\n/)
  })

  test.each(['redis://:se#cret@h', 'postgres://app:se/cret@host/db'])('%s: says how to write it', (url) => {
    expect(() => checkUrl(url)).toThrow(/# as %23/)
  })
})

test.each([
  'redis://h',
  'redis://me:pa%23ss@h:1/2',
  'redis://:p@ss@h',
  'rediss://[::1]:6379/0?family=6',
  'postgres://app@/db?host=/var/run/postgresql',
  'postgres://%2Fvar%2Frun/db',
  'postgres:///db',
  'postgres://app:pa,ss@h:1,g:2/db?application_name=a@b',
  'postgres://h1:1,h2:2/db',
  'postgresql://app:a%2Fb@h/db?sslmode=require',
])('%s is a URL', (url) => expect(() => checkUrl(url)).not.toThrow())
