/**
 * Three members of etcd that can be killed, frozen, wiped, and cut off from each other while clients still reach them.
 * Each member is known to the others by a proxy, which tells by a header of etcd's own who speaks.
 */

import { rmSync } from 'node:fs'
import { connect, createServer, type Server as Listener, type Socket } from 'node:net'
import { join } from 'node:path'
import { freePort, type Server, startServer, until } from './server.ts'
import { findServer } from './servers.ts'

export interface EtcdCluster {
  readonly members: readonly Server[]
  /** URLs for clients. */
  readonly endpoints: readonly string[]
  /** Which member leads; waits until one does. */
  leader(): Promise<number>
  /** One member no longer hears the others, nor they it. Its clients reach it. */
  partition(index: number): Promise<void>
  heal(): void
  /** Throw away what a member has, and let it join anew. */
  wipe(index: number): Promise<void>
  close(): Promise<void>
}

export async function startEtcdCluster(): Promise<EtcdCluster> {
  const plans: Plan[] = []
  for (const name of ['m0', 'm1', 'm2']) plans.push({ name, door: await openDoor(await freePort()) })
  const initial = plans.map((plan) => `${plan.name}=${peerOf(plan)}`).join(',')
  const members: Server[] = []
  const close = async () => {
    for (const member of members) await member.close()
    for (const { door } of plans) await door.close()
  }
  for (const start of await Promise.allSettled(plans.map((plan) => startMember(plan, initial)))) {
    if (start.status === 'fulfilled') members.push(start.value)
    else await close().then(() => Promise.reject(start.reason))
  }
  const endpoints = members.map(({ port }) => `http://127.0.0.1:${port}`)
  return {
    members,
    endpoints,
    leader: () => leaderOf(endpoints),
    async partition(index) {
      const { members: known = [] } = await ask<{ members?: { ID: string; name?: string }[] }>(
        endpoints[index] ?? '',
        '/v3/cluster/member/list',
      )
      const id = BigInt(known.find(({ name }) => name === plans[index]?.name)?.ID ?? 0).toString(16)
      for (const [i, { door }] of plans.entries()) door.block((from) => i === index || from === id)
    },
    heal() {
      for (const { door } of plans) door.block(undefined)
    },
    async wipe(index) {
      const [member, plan] = [members[index], plans[index]]
      if (!member || !plan) throw new Error(`no member ${index}`)
      await member.kill()
      rmSync(join(member.directory, 'data'), { recursive: true, force: true })
      await replaceMember(
        endpoints.filter((_, i) => i !== index),
        plan,
      )
      await member.start()
    },
    close,
  }
}

interface Plan {
  readonly name: string
  readonly door: Door
}

function peerOf({ door }: Plan): string {
  return `http://127.0.0.1:${door.port}`
}

async function startMember(plan: Plan, initial: string): Promise<Server> {
  const bin = findServer('etcd')
  if (!bin) throw new Error('etcd is not installed here: npm run setup')
  // A member whose data is gone joins a cluster that there is already.
  let state = 'new'
  return startServer({
    name: 'etcd',
    bin,
    args: (directory, port) => {
      const client = `http://127.0.0.1:${port}`
      const urls = ['--listen-client-urls', client, '--advertise-client-urls', client]
      const peers = ['--listen-peer-urls', `http://127.0.0.1:${plan.door.target}`, '--initial-advertise-peer-urls', peerOf(plan)]
      const cluster = ['--name', plan.name, '--initial-cluster', initial, '--initial-cluster-state', state]
      const quick = [
        '--heartbeat-interval',
        '20',
        '--election-timeout',
        '200',
        '--unsafe-no-fsync',
        '--logger',
        'zap',
        '--log-level',
        'error',
      ]
      state = 'existing'
      return ['--data-dir', join(directory, 'data'), ...urls, ...peers, ...cluster, ...quick]
    },
    ready: async (port) => {
      const answer = await fetch(`http://127.0.0.1:${port}/health`, { signal: AbortSignal.timeout(2000) })
      return ((await answer.json()) as { health?: string }).health === 'true'
    },
  })
}

async function ask<T>(endpoint: string, path: string, body: object = {}): Promise<T> {
  const response = await fetch(endpoint + path, { method: 'POST', body: JSON.stringify(body), signal: AbortSignal.timeout(2000) })
  if (response.status !== 200) throw new Error(`${path}: ${await response.text()}`)
  return (await response.json()) as T
}

async function leaderOf(endpoints: readonly string[]): Promise<number> {
  let leader = -1
  await until('a member leads', async () => {
    for (const [index, endpoint] of endpoints.entries()) {
      try {
        const status = await ask<{ header: { member_id: string }; leader?: string }>(endpoint, '/v3/maintenance/status')
        if (status.leader !== undefined && status.leader === status.header.member_id) leader = index
      } catch {
        // Down, or cut off: it is asked again.
      }
    }
    return leader >= 0
  })
  return leader
}

async function replaceMember(others: readonly string[], plan: Plan): Promise<void> {
  await until(`${plan.name} is replaced`, async () => {
    for (const endpoint of others) {
      const { members = [] } = await ask<{ members?: { ID: string; name?: string; peerURLs?: string[] }[] }>(
        endpoint,
        '/v3/cluster/member/list',
      )
      const old = members.find(({ name }) => name === plan.name)
      if (old) await ask(endpoint, '/v3/cluster/member/remove', { ID: old.ID })
      if (!members.some(({ name, peerURLs }) => !name && peerURLs?.includes(peerOf(plan)))) {
        await ask(endpoint, '/v3/cluster/member/add', { peerURLs: [peerOf(plan)] })
      }
      return true
    }
    return false
  })
}

/** Where the others come in to one member. */
interface Door {
  readonly port: number
  /** Where the member itself listens. */
  readonly target: number
  /** Nothing passes any more from whom this says, and nobody is told; `undefined`: everybody passes. */
  block(blocked: ((from: string) => boolean) | undefined): void
  close(): Promise<void>
}

interface Visit {
  readonly client: Socket
  readonly member: Socket
  from: string
}

function openDoor(target: number): Promise<Door> {
  const visits = new Set<Visit>()
  let blocked: ((from: string) => boolean) | undefined
  const listener: Listener = createServer((client) => {
    const member = connect(target, '127.0.0.1')
    const visit: Visit = { client, member, from: '' }
    visits.add(visit)
    const leave = () => {
      visits.delete(visit)
      client.destroy()
      member.destroy()
    }
    client.on('data', (data) => {
      if (visit.from === '') visit.from = /x-server-from: ([0-9a-f]+)/i.exec(data.toString('latin1'))?.[1] ?? ''
      if (!blocked?.(visit.from)) member.write(data)
    })
    member.on('data', (data) => {
      if (!blocked?.(visit.from)) client.write(data)
    })
    // A reset is one of the ways to end; `close` follows.
    for (const socket of [client, member]) socket.on('close', leave).on('error', () => {})
  })
  const end = () => {
    for (const { client } of visits) client.destroy()
  }
  return new Promise((resolve, reject) => {
    listener.on('error', reject)
    listener.listen(0, '127.0.0.1', () => {
      const address = listener.address()
      if (typeof address !== 'object' || !address) return reject(new Error('no port'))
      resolve({
        port: address.port,
        target,
        block(next) {
          // What was cut off has lost bytes: those connections are of no use to anybody.
          if (!next) end()
          blocked = next
        },
        close: () => {
          end()
          return new Promise((closed) => listener.close(() => closed()))
        },
      })
    })
  })
}
