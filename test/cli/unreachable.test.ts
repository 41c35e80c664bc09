/** A store that is not there, by every scheme and verb: one clear line, its exit code, and no secret. */

import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { reservePort } from '../harness/server.ts'
import { place } from './harness.ts'

const here = place()
/** Where the client packages are. */
const cwd = fileURLToPath(new URL('../..', import.meta.url))

const urls = [
  'redis://me:sesame@127.0.0.1:PORT',
  'redis://me:sesame@127.0.0.1:PORT?tenure_sentinel=main',
  'redis://me:sesame@127.0.0.1:PORT?tenure_cluster=true',
  'postgres://me:sesame@127.0.0.1:PORT/db',
  'postgres-advisory://me:sesame@127.0.0.1:PORT/db',
  'etcd://me:sesame@127.0.0.1:PORT',
]

/** Where nobody listens, and nobody will meanwhile. */
const { port, release } = await reservePort()
afterAll(release)

describe.each(urls)('nobody listens at %s', (url) => {
  test.each([['status'], ['status', 'x'], ['doctor'], ['run', 'x', '--try', '--', 'true']])('tenure %s %s', async (...args) => {
    const words = args.filter((arg) => arg !== undefined)
    const { code, out, err } = await here.ended(words, { cwd, env: { TENURE_STORE: url.replace('PORT', String(port)) } })
    expect({ code, out }, err).toEqual({ code: 69, out: '' })
    // `run` tells of trouble when it comes, and why it ended when it ends.
    expect(err.trim().split('\n'), err).toHaveLength(words[0] === 'run' ? 2 : 1)
    expect(err).not.toMatch(/sesame|internal| {4}at /)
  })
})
