/**
 * Wires by ioredis. Of its retries none is left on: a connection that ends has ended, with what was in its queues.
 */

import type { IoredisClient, IoredisCluster, IoredisOverrides } from './client.ts'
import { prefixOf } from './keys.ts'
import type { Ear, Gone, Wire, Wires } from './wire.ts'

const common = {
  connectionName: 'tenure',
  // The store puts it before its keys itself, so that it means the same with every driver.
  keyPrefix: '',
  // Long silence is normal where one listens: routers and servers have to be asked whether they are still there.
  keepAlive: 10_000,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableAutoPipelining: false,
} as const

const own: IoredisOverrides = {
  ...common,
  lazyConnect: true,
  retryStrategy: () => null,
  sentinelRetryStrategy: () => null,
  reconnectOnError: null,
  // What is asked first answers that question as well.
  enableReadyCheck: false,
  enableOfflineQueue: false,
  readOnly: false,
  monitor: false,
}

export function ioredisWires(client: IoredisClient): Wires {
  const { sentinels } = client.options
  return {
    topology: sentinels && sentinels.length > 0 ? 'sentinel' : 'single',
    keyPrefix: prefixOf(client.options.keyPrefix),
    make: (gone) => wireOf(client, gone),
  }
}

function wireOf(client: IoredisClient, gone: Gone): Wire {
  const redis = client.duplicate(own)
  const line = lineOf(redis, gone)
  const send = ([command = '', ...args]: readonly string[]) => redis.call(command, args)
  return {
    ...line,
    send: (_key, args) => send(args),
    masters: async () => [send],
    ear: async (lost) => earOf(client, lost),
  }
}

function earOf(client: IoredisClient, gone: Gone): Ear {
  const redis = client.duplicate(own)
  return {
    ...lineOf(redis, gone),
    subscribe(channel, heard) {
      redis.on('message', (_channel, message) => heard(String(message)))
      return redis.subscribe(channel)
    },
  }
}

/** Opening, ending and noticing the end of one connection. */
function lineOf(redis: IoredisClient, gone: Gone): Pick<Wire, 'open' | 'keepAlive' | 'cut'> {
  const end = endOf(redis, gone)
  return {
    open: () => end.explain(redis.connect()),
    keepAlive(wanted) {
      if (wanted) redis.stream?.ref?.()
      else redis.stream?.unref?.()
    },
    cut() {
      if (!end.come()) return
      redis.disconnect()
      // A polite end waits for the other side, which may be what is frozen.
      redis.stream?.destroy()
    },
  }
}

export function clusterWires(client: IoredisCluster): Wires {
  return {
    topology: 'cluster',
    keyPrefix: prefixOf(client.options.keyPrefix),
    make: (gone) => clusterWireOf(client, gone),
  }
}

function clusterWireOf(client: IoredisCluster, gone: Gone): Wire {
  const cluster = client.duplicate([], {
    lazyConnect: true,
    keyPrefix: '',
    clusterRetryStrategy: () => null,
    scaleReads: 'master',
    enableAutoPipelining: false,
    redisOptions: common,
  })
  const end = endOf(cluster, gone)
  return {
    open: () => end.explain(cluster.connect()),
    send: (_key, [command = '', ...args]) => cluster.call(command, args),
    masters: async () =>
      cluster.nodes('master').map(
        (node) =>
          ([command = '', ...args]) =>
            node.call(command, args),
      ),
    async ear(lost) {
      // What one node of a Cluster is told, all are: any will do, and its end is noticed as a single server's is.
      const [node] = cluster.nodes('master')
      if (!node) throw new Error('the Cluster has no master')
      return earOf(node, lost)
    },
    keepAlive() {},
    cut() {
      if (end.come()) cluster.disconnect()
    },
  }
}

/** The end of a connection: whether it has come, from where, and why. */
function endOf(redis: IoredisClient | IoredisCluster, gone: Gone) {
  let over = false
  let reason: Error | undefined
  let giveUp = () => {}
  const come = () => {
    const first = !over
    over = true
    giveUp()
    return first
  }
  redis.on('error', (thrown) => {
    reason = causeOf(thrown)
  })
  redis.on('end', () => {
    if (come()) gone(reason ?? new Error('the connection was closed'))
  })
  return {
    /** True for whoever is first to say so. */
    come,
    /** What ioredis throws says only that it is closed, where it throws; what it told before says why. */
    explain(opening: Promise<unknown>): Promise<unknown> {
      return new Promise((resolve, reject) => {
        giveUp = () => reject(reason ?? new Error('the connection was closed'))
        opening.then(resolve, (thrown: unknown) => reject(reason ?? causeOf(thrown)))
      })
    },
  }
}

function causeOf(thrown: unknown): Error {
  if (!(thrown instanceof Error)) return new Error(String(thrown))
  // A Cluster says that all nodes have failed, and keeps to itself what the last of them said.
  return 'lastNodeError' in thrown && thrown.lastNodeError instanceof Error ? thrown.lastNodeError : thrown
}
