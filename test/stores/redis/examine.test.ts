/** What a doctor finds: the level, and every setting that could cost somebody a lease. */

import { afterEach, describe, expect, test } from 'vitest'
import { RIGHTS } from '../../../src/stores/redis/failures.ts'
import { examine } from '../../../src/stores/redis.ts'
import { startWatched } from '../../harness/redis.ts'
import type { Server } from '../../harness/server.ts'
import { findServer, startRedis } from '../../harness/servers.ts'
import { drivers, operating, outcome, patient } from './lab.ts'

describe.skipIf(!findServer('redis')).each(drivers)('%s', (_name, client) => {
  let server: Server | undefined
  afterEach(async () => {
    await server?.close()
    server = undefined
  })

  test.each([
    ['A', [], ['--appendonly', 'yes', '--appendfsync', 'always']],
    ['B', [/forget its newest writes.*appendfsync everysec/], ['--appendonly', 'yes']],
    ['B', [/forget its newest writes.*appendonly no/], ['--save', '60', '1']],
    ['C', [/maxmemory-policy is volatile-lru/, /forget/], ['--maxmemory', '50mb', '--maxmemory-policy', 'volatile-lru']],
    ['A', [/memory is limited to 50.00M/], ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory', '50mb']],
  ] as const)('level %s, and finds %s', async (level, messages, options) => {
    server = await startRedis(...options)
    const found = await examine(client(server.port), patient())
    expect(found.level).toBe(level)
    expect(found.findings.map(({ message }) => message)).toEqual(messages.map((message) => expect.stringMatching(message)))
    expect(found.facts.find(({ name }) => name === 'server')?.value).toMatch(/^redis \d/)
    expect(await operating(server.port, (operator) => operator.call('DBSIZE'))).toBe(0)
  })

  test('level B with a replica', async () => {
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always']
    const watched = await startWatched({ primary: durable, replica: durable })
    const found = await examine(client(watched.primary.port), patient())
    const replica = await examine(client(watched.replica.port), patient())
    await watched.close()
    expect(found).toMatchObject({ level: 'B', findings: [{ message: expect.stringContaining('replicas are connected') }] })
    expect(replica).toMatchObject({ level: 'C', findings: [{ message: 'the server is a replica' }] })
  })

  test('says what it is not told, and what cannot be heard', async () => {
    server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
    const user = { username: 'app', password: 'sesame' }
    await operating(server.port, (operator) => operator.acl('SETUSER', 'app', 'on', '>sesame', '~*', '+@all', '-config', '-subscribe'))
    const found = await examine(client(server.port, user), patient())
    expect(found.level).toBe('B')
    expect(found.findings.map(({ message }) => message)).toEqual([
      expect.stringContaining('CONFIG is refused'),
      expect.stringContaining('releases cannot be heard: NOPERM'),
      'releases are told to nobody',
    ])
  })

  test('lists what a user lacks, and none of it is done to find that out', async () => {
    server = await startRedis('--appendonly', 'yes', '--appendfsync', 'always')
    const user = { username: 'app', password: 'sesame' }
    const asked = async (...rules: string[]) => {
      await operating(server?.port ?? 0, (operator) => operator.acl('SETUSER', 'app', 'reset', 'on', '>sesame', ...rules))
      const { level, findings } = await examine(client(server?.port ?? 0, user), patient(), { keyPrefix: 'app:' })
      return { level, findings: findings.map(({ severity, message, advice }) => `${severity}: ${message}: ${advice}`) }
    }
    expect(await asked('~app:tenure:*', '&app:tenure:*', '+@all')).toEqual({ level: 'A', findings: [] })
    const rights = ['~app:tenure:*', '&app:tenure:*', ...RIGHTS.split(' ').slice(2)]
    const once = expect.stringMatching(/^warning: runOnce\(\) is denied, elections are not: grant \+get \+set/)
    expect(await asked(...rights)).toEqual({ level: 'A', findings: [once] })
    const thin = rights.filter((right) => !['+info', '+pexpire', '+hset', '+scan', '+publish', '&app:tenure:*'].includes(right))
    expect(await asked(...thin)).toEqual({
      level: 'C',
      findings: [
        expect.stringMatching(/^error: the server does not tell whether it may remove leases/),
        expect.stringMatching(/^warning: releases cannot be heard/),
        'error: the rights do not suffice: grant +info +hset +pexpire',
        once,
        expect.stringMatching(/^warning: elections cannot be listed: grant \+scan/),
        expect.stringMatching(/^warning: releases are told to nobody: grant \+publish/),
      ],
    })
    const others = await asked('~other:*', '&other:*', '+@all')
    expect(others.findings).toContain('error: the user may not use the keys app:tenure:*: grant ~app:tenure:*')
    expect(others.findings).toContainEqual(expect.stringMatching(/^warning: releases are told to nobody: grant &app:tenure:\*/))
    expect(await operating(server.port, (operator) => operator.call('DBSIZE'))).toBe(0)
  })

  test('rejects like the store', async () => {
    server = await startRedis()
    await operating(server.port, (operator) => operator.config('SET', 'requirepass', 'sesame'))
    expect(await outcome(examine(client(server.port), patient()))).toMatchObject({ code: 'store-denied' })
    expect(await outcome(examine(client(server.port), AbortSignal.abort()))).toMatchObject({ code: 'store-unreachable' })
  })
})
