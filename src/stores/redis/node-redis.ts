/**
 * Wires by node-redis. A single connection is never reconnected by the driver. Its Cluster and Sentinel clients mend
 * what is inside of them; the store throws them away all the same when they have been silent for too long.
 */

import type { NodeRedisClient, NodeRedisCluster, NodeRedisSentinel } from './client.ts'
import { prefixOf } from './keys.ts'
import type { Ear, Gone, Wire, Wires } from './wire.ts'

export function nodeRedisWires(client: NodeRedisClient): Wires {
  return { topology: 'single', keyPrefix: prefixOf(client.options?.keyPrefix), make: (gone) => wireOf(client, gone) }
}

function wireOf(client: NodeRedisClient, gone: Gone): Wire {
  const redis = duplicateOf(client)
  const send = (args: readonly string[]) => redis.sendCommand([...args])
  return { ...lineOf(redis, gone), send: (_key, args) => send(args), masters: async () => [send], ear: async (lost) => earOf(client, lost) }
}

function earOf(client: NodeRedisClient, gone: Gone): Ear {
  const redis = duplicateOf(client)
  return { ...lineOf(redis, gone), subscribe: (channel, heard) => redis.subscribe(channel, heard) }
}

function duplicateOf(client: NodeRedisClient): NodeRedisClient {
  return client.duplicate({
    name: 'tenure',
    disableOfflineQueue: true,
    // Long silence is normal where one listens: routers and servers have to be asked whether they are still there.
    socket: { ...client.options?.socket, keepAlive: true, keepAliveInitialDelay: 10_000, reconnectStrategy: false },
  })
}

function lineOf(redis: NodeRedisClient, gone: Gone): Pick<Wire, 'open' | 'keepAlive' | 'cut'> {
  let over = false
  // Without reconnecting, every error of the connection is its end.
  redis.on('error', (thrown) => {
    if (over) return
    over = true
    gone(thrown instanceof Error ? thrown : new Error(String(thrown)))
  })
  return {
    async open() {
      try {
        await redis.connect()
      } finally {
        // What is destroyed while it connects goes on connecting.
        if (over) redis.destroy()
      }
    },
    keepAlive(wanted) {
      if (wanted) redis.ref()
      else redis.unref()
    },
    cut() {
      over = true
      redis.destroy()
    },
  }
}

export function nodeRedisClusterWires(client: NodeRedisCluster): Wires {
  return { topology: 'cluster', keyPrefix: prefixOf(client._keyPrefix), make: () => clusterWireOf(client) }
}

function clusterWireOf(client: NodeRedisCluster): Wire {
  const cluster = client.duplicate()
  // Told of each node by itself: the calls that it fails say what they have to.
  cluster.on('error', () => {})
  return {
    ...wholeLineOf(
      () => cluster.connect(),
      () => cluster.destroy(),
    ),
    send: (key, args) => cluster.sendCommand(key, false, [...args]),
    async masters() {
      const nodes = await Promise.all(cluster.masters.map((node) => cluster.nodeClient(node)))
      return nodes.map((node) => (args) => node.sendCommand([...args]))
    },
    async ear(lost) {
      // What one node of a Cluster is told, all are: any will do, and its end is noticed as a single server's is.
      const [node] = cluster.masters
      if (!node) throw new Error('the Cluster has no master')
      return earOf(await cluster.nodeClient(node), lost)
    },
  }
}

export function nodeRedisSentinelWires(client: NodeRedisSentinel): Wires {
  return { topology: 'sentinel', keyPrefix: prefixOf(client._keyPrefix), make: () => sentinelWireOf(client) }
}

function sentinelWireOf(client: NodeRedisSentinel): Wire {
  const sentinel = sentinelOf(client)
  const send = (args: readonly string[]) => sentinel.redis.sendCommand(false, [...args])
  return {
    ...sentinel.line,
    send: (_key, args) => send(args),
    masters: async () => [send],
    async ear() {
      const other = sentinelOf(client)
      return { ...other.line, subscribe: (channel, heard) => other.redis.subscribe(channel, heard) }
    },
  }
}

function sentinelOf(client: NodeRedisSentinel) {
  // One connection, so that what is sent first is done first.
  const redis = client.duplicate({ masterPoolSize: 1 })
  // The calls that fail say what they have to.
  redis.on('error', () => {})
  const destroy = () =>
    void redis.destroy().catch(() => {
      // It was not open, or is no longer.
    })
  return { redis, line: wholeLineOf(() => redis.connect(), destroy) }
}

/** A client of many connections. What is destroyed while it connects keeps some of them: it is destroyed afterwards. */
function wholeLineOf(connect: () => Promise<unknown>, destroy: () => void): Pick<Wire, 'open' | 'keepAlive' | 'cut'> {
  let isSettled = false
  let isOver = false
  let giveUp = () => {}
  return {
    open() {
      const connecting = connect().finally(() => {
        isSettled = true
        if (isOver) destroy()
      })
      return new Promise((resolve, reject) => {
        giveUp = () => reject(new Error('the connection was closed'))
        connecting.then(resolve, reject)
      })
    },
    keepAlive() {},
    cut() {
      if (isOver) return
      isOver = true
      giveUp()
      if (isSettled) destroy()
    },
  }
}
