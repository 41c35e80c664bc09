import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, test } from 'vitest'
import { etcd } from '../../src/stores/etcd.ts'
import { describeStore } from '../../src/testing/index.ts'
import { findServer, type Server, startEtcd } from '../harness/servers.ts'

describe.skipIf(!findServer('etcd'))('etcd', () => {
  let server: Server
  beforeAll(async () => {
    server = await startEtcd()
  })
  afterAll(() => server?.close())
  const endpoints = () => `http://127.0.0.1:${server.port}`

  describeStore('etcd', {
    open: () => etcd({ endpoints: endpoints() }),
    // The server looks for expired leases every 500 ms.
    graceMs: 700,
    boundMs: 30_000,
    wipe: (election) => void execFileSync('etcdctl', ['--endpoints', endpoints(), 'del', '--prefix', `tenure/${election}/`]),
    runner: { describe: describe.concurrent, test },
  })
})
