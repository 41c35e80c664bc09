/**
 * After the faults: everything heals, a leader must emerge in time (I6), one lost answer must not change it (I7), and a
 * row of directed episodes must end as they should (I11). Random faults alone let a third of all mutants live.
 */

import type { Cluster } from './cluster.ts'
import { crash, heal } from './injector.ts'
import type { Member } from './member.ts'

/** How long things may take when all is well, in true milliseconds. */
interface Bounds {
  /** One call of the store, there and back. */
  readonly call: number
  /** From the release of a lease to the next leader. */
  readonly handover: number
  /** From a state that knows nothing to a leader. */
  readonly healing: number
  /** Until a lease that nobody renews is over for everybody. */
  readonly lapse: number
}

export function boundsOf(cluster: Cluster): Bounds {
  const { timing, network, plan, server } = cluster
  const { ttlMs, drift, retryMs, callMs } = timing
  // A client that observes takes several trips for a call; timers are up to 30 ms late.
  const trips = plan.profile === 'observed' ? 3 : 1
  const call = trips * 2 * network.mostMs + 35
  const slow = 1 + 2 * drift
  const lapse = ttlMs * slow + call
  // A watch that died in silence is taken for one that lives, until the lease can be over.
  const told = plan.watch !== 'silent' && cluster.members.every(({ host, election }) => server.watchers.has(host, election))
  const look = plan.watch === 'none' ? retryMs * slow + 3 * call : told ? 3 * call : Math.max(retryMs * slow, lapse) + 2 * call
  const healing = (ttlMs + Math.max(retryMs, ttlMs)) * slow + 2 * call + callMs + 100
  return { call, handover: Math.min(look + 100, healing), healing, lapse }
}

export async function afterwards(cluster: Cluster): Promise<void> {
  const { world } = cluster
  heal(cluster)
  const unblocked = () => cluster.hosts.every((host) => !host.blocked) && !cluster.server.writing
  await world.until(unblocked, cluster.timing.ttlMs * 50)
  const script = [
    emerge,
    quiet,
    stability,
    lateTimer,
    lateNews,
    handover,
    longDrain,
    lostAcquire,
    failover,
    stopInAcquire,
    stopInDoubt,
    lateWin,
    survivors,
    end,
  ]
  for (const episode of script) {
    if (world.over) return
    world.note('EPISODE', episode.name)
    await episode(cluster)
  }
}

/** I6: a leader emerges in time. */
async function emerge(cluster: Cluster): Promise<void> {
  const { world } = cluster
  const { healing } = boundsOf(cluster)
  const healedAt = world.now
  for (const election of cluster.elections) {
    const standing = membersOf(cluster, election)
    // If all of them stand aside, the first to come back begins.
    const cool = Math.min(...standing.map((member) => Math.max(0, member.coolUntil - healedAt)))
    const left = healedAt + healing + cool - world.now
    if (!(await world.until(() => cluster.leaderOf(election) !== undefined, Math.max(0, left)))) {
      world.violated('I6', `${election} has no leader ${Math.round(world.now - healedAt)} ms after everything healed`)
      return
    }
  }
}

/** All is well and nothing happens: the leader stays, everybody knows it, and nobody asks too often. */
async function quiet(cluster: Cluster): Promise<void> {
  const { world, timing, plan } = cluster
  const { call, lapse } = boundsOf(cluster)
  // Those who stood aside or drained have come back by then, and have looked once.
  const cool = Math.max(0, ...cluster.members.map((member) => member.coolUntil - world.now))
  await world.wait(Math.max(lapse, timing.retryMs * 1.2) + cool + call + 100)
  const leaders = cluster.elections.map((election) => cluster.leaderOf(election))
  const asked = countCalls(cluster)
  const forMs = timing.ttlMs * 1.2
  await world.wait(forMs)
  for (const [i, election] of cluster.elections.entries()) {
    const leader = leaders[i]
    if (!leader || cluster.leaderOf(election) !== leader) world.violated('I7', `${election}: the leader changed while all was well`)
    for (const member of membersOf(cluster, election)) {
      const { host } = member
      if (member.answerless > 0) world.violated('I15', `${member.name}: start() has not resolved`)
      const wanted = cluster.members.filter((other) => other.host === host && other.eligible).length
      if (plan.watch !== 'none' && (cluster.clients.get(host)?.watches() ?? 0) < wanted)
        world.violated('I17', `${host.name} has lost a watch and armed no other`)
      const known = member.candidate.leader?.fencingToken
      if (known !== leader?.tenure?.fencingToken)
        world.violated('I16', `${member.name} takes ${known} for the leader, not ${leader?.tenure?.fencingToken}`)
      const calls = asked(member)
      const most = member === leader ? (forMs / timing.renewMs) * 1.2 + 3 : forMs / shortestLook(cluster) + 3
      if (calls > most) world.violated('I12', `${member.name} asked ${calls} times in ${Math.round(forMs)} ms of peace`)
    }
  }
}

function shortestLook({ timing }: Cluster): number {
  const { ttlMs, renewMs, retryMs, drift } = timing
  const untilFree = (ttlMs - renewMs) * (1 - 2 * drift) - 100
  // A watch may have been lost on its way, without a word.
  return Math.max(20, Math.min(untilFree, retryMs * 0.5) * 0.9)
}

function countCalls(cluster: Cluster): (member: Member) => number {
  const before = new Map(cluster.members.map((member) => [member, member.calls]))
  return (member) => member.calls - (before.get(member) ?? 0)
}

/** I7: one lost answer, then one lost request, to a renewal: the leader stays. */
async function stability(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections } = cluster
  const pause = Math.min(500, timing.ttlMs / 30)
  const deadline = timing.ttlMs * (1 - 2 * timing.drift) - timing.marginMs
  // Where the settings leave no room for two failures, nothing is promised.
  if (timing.renewMs + 2 * (timing.callMs + pause) + 100 >= deadline || timing.callMs < boundsOf(cluster).call) return
  const leader = cluster.leaderOf(elections[0] ?? '')
  const token = leader?.tenure?.fencingToken
  for (const way of ['down', 'up'] as const) {
    let lost = 0
    network.trap = (going, { purpose, election }, host) => {
      if (lost > 0 || going !== way || host !== leader?.host || purpose !== 'renew' || election !== leader.election) return 0
      lost += 1
      return Number.POSITIVE_INFINITY
    }
    await world.wait(timing.renewMs * 1.1 + timing.ttlMs)
    network.trap = undefined
    if (leader?.tenure?.fencingToken !== token)
      return world.violated('I7', `one lost ${way === 'up' ? 'request' : 'answer'} cost ${leader?.name} the lease`)
  }
}

/** The loop is blocked while a renewal is answered: the answer is heard before its timer gives it up. */
async function lateTimer(cluster: Cluster): Promise<void> {
  const { world, timing, elections, plan } = cluster
  const leader = cluster.leaderOf(elections[0] ?? '')
  const token = leader?.tenure?.fencingToken
  const deadline = timing.ttlMs * (1 - 2 * timing.drift) - timing.marginMs
  const blockMs = Math.ceil(timing.callMs * (1 + 2 * timing.drift) + 200)
  if (
    !leader ||
    plan.sloppy ||
    plan.profile === 'observed' ||
    timing.callMs < boundsOf(cluster).call ||
    timing.renewMs + blockMs + timing.callMs > deadline
  )
    return
  let blocked = false
  let troubles = 0
  leader.onRenew = () => {
    blocked = true
    leader.host.block(blockMs)
  }
  leader.onTrouble = () => (troubles += 1)
  await world.until(() => blocked, timing.renewMs * 1.2 + 100)
  await world.wait(blockMs + boundsOf(cluster).call)
  leader.onRenew = undefined
  leader.onTrouble = undefined
  if (troubles > 0) world.violated('I11', `${leader.name} gave up a renewal whose answer had come`)
  if (leader.tenure?.fencingToken !== token) world.violated('I7', `a short pause cost ${leader.name} the lease`)
}

/** A follower is stopped while an answer is on its way; when it comes, long after, nobody is told of it. */
async function lateNews(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections, plan } = cluster
  const election = elections[0] ?? ''
  const follower = membersOf(cluster, election).find((member) => member !== cluster.leaderOf(election) && member.working === undefined)
  if (!follower || !plan.deaf) return
  const lateMs = timing.callMs * 3
  let late = 0
  await stopAll(cluster, [follower])
  network.trap = (way, about, host) => {
    if (host !== follower.host || way !== 'down' || about.purpose !== 'acquire' || about.election !== election || late > 0) return 0
    late += 1
    return lateMs
  }
  let asked = false
  follower.onAcquire = () => {
    asked = true
    follower.host.afterPending(() => void follower.stop())
  }
  follower.host.deliver(() => follower.start())
  await world.until(() => asked, 100)
  await world.wait(lateMs + boundsOf(cluster).call)
  network.trap = undefined
  follower.host.deliver(() => follower.start())
  // It asks, and may be in the middle of it when the next episode begins.
  await world.wait(boundsOf(cluster).call)
}

/** I11: a planned handover is quick, and leaves nobody out for good. */
async function handover(cluster: Cluster): Promise<void> {
  const { world, timing, elections } = cluster
  const election = elections[0] ?? ''
  const leader = cluster.leaderOf(election)
  if (!leader || membersOf(cluster, election).length < 2) return
  const bounds = boundsOf(cluster)
  const began = world.now
  let done = false
  leader.host.deliver(() => void leader.stepDown(timing.ttlMs).then(() => (done = true)))
  if (!(await world.until(() => done, 2 * timing.callMs + bounds.call + 300)))
    return world.violated('I11', `${leader.name}: stepDown() does not resolve`)
  const next = () => cluster.leaderOf(election) !== undefined
  if (!(await world.until(next, bounds.handover))) return world.violated('I11', `${election}: no leader soon after a handover`)
  const soon = world.now - began < timing.ttlMs * 0.9
  if (cluster.leaderOf(election) === leader && soon) world.violated('I11', `${leader.name} stepped down and leads again at once`)
}

/** Work that drains for more than a ttl: renewed throughout, released after, nobody else leads meanwhile. */
async function longDrain(cluster: Cluster): Promise<void> {
  const { world, timing, elections } = cluster
  const election = elections[0] ?? ''
  const leader = cluster.leaderOf(election)
  const lingerMs = Math.min(timing.ttlMs * 1.5, timing.drainMs * 0.8)
  if (!leader?.working || world.seed % 3 !== 0) return
  const tenure = leader.tenure
  leader.orders = { lingerMs }
  leader.host.deliver(() => void leader.stepDown(0))
  await world.wait(boundsOf(cluster).call)
  leader.orders = undefined
  const drained = await world.until(() => {
    const draining = tenure !== undefined && leader.working === tenure
    if (draining && leader.leftMs(tenure) <= 0) world.violated('I11', `${leader.name} lost its lease while it drained`)
    const rival = cluster.members.some((member) => member.election === election && member.tenure && member.tenure !== tenure)
    if (draining && rival) world.violated('I11', `somebody leads while ${leader.name} drains`)
    return !draining
  }, lingerMs * 1.3)
  if (!drained) return world.violated('SIM', `${leader.name} drains for ever`)
  if (!(await world.until(() => cluster.leaderOf(election) !== undefined, boundsOf(cluster).handover))) {
    world.violated('I11', `${election}: no leader after a long drain`)
  }
}

/** The answer to the winning bid is lost: the bidder asks again, and leads. */
async function lostAcquire(cluster: Cluster): Promise<void> {
  const { world, timing, network, elections } = cluster
  const election = elections[0] ?? ''
  const leader = cluster.leaderOf(election)
  const bounds = boundsOf(cluster)
  if (!leader) return
  let lost = 0
  let bidder = ''
  network.trap = (way, about, host) => {
    if (lost > 0 || way !== 'down' || about.purpose !== 'acquire' || about.election !== election || !about.granted) return 0
    lost += 1
    bidder = host.name
    return Number.POSITIVE_INFINITY
  }
  await stopAll(cluster, [leader])
  await world.until(() => lost > 0, bounds.handover)
  // A bid that met somebody else's counts as a failure already, and failures double the pause.
  const pause = Math.min(2 * timing.retryMs, Math.max(timing.retryMs, timing.ttlMs))
  const adopts = timing.callMs + pause * (1 + 2 * timing.drift) + bounds.call
  const quick = adopts < (timing.ttlMs * (1 - 2 * timing.drift) - timing.marginMs) * 0.95
  const most = quick ? adopts + 2 * bounds.call : bounds.healing
  const there = await world.until(() => cluster.leaderOf(election) !== undefined, lost > 0 ? most : bounds.healing)
  network.trap = undefined
  const others = membersOf(cluster, election).filter((member) => member !== leader)
  if (!there && others.length > 0)
    world.violated('I11', `${election}: no leader ${Math.round(most)} ms after the answer to ${bidder} was lost`)
  if (there) world.count(quick ? 'lostAcquireAdopted' : 'lostAcquireLapsed')
  leader.host.deliver(() => leader.start())
  await world.until(() => cluster.leaderOf(election) !== undefined, bounds.healing)
}

/** The leader is killed: somebody else leads once its lease is over. */
async function failover(cluster: Cluster): Promise<void> {
  const { world, elections } = cluster
  const election = elections[0] ?? ''
  const leader = cluster.leaderOf(election)
  if (!leader || world.seed % 2 !== 0) return
  const restart = crash(cluster, leader.host.number)
  restart?.()
  const there = await world.until(() => cluster.elections.every((name) => cluster.leaderOf(name) !== undefined), boundsOf(cluster).healing)
  if (!there) world.violated('I11', `${election}: no leader after ${leader.name} was killed`)
}

/** Stopped while its bid is in the air: whatever becomes of the bid, nothing is held when `stop()` has resolved. */
async function stopInAcquire(cluster: Cluster): Promise<void> {
  const { world, timing, server } = cluster
  await stopAll(cluster, cluster.members)
  for (const election of cluster.elections) {
    if (server.live(election)) return world.violated('I11', `${election} is held after everybody has stopped`)
  }
  const bounds = boundsOf(cluster)
  for (const member of cluster.members.slice(0, 3)) {
    let left = false
    let stopped = false
    member.onAcquire = () => {
      left = true
      member.host.afterPending(() => void member.stop().then(() => (stopped = true)))
    }
    member.host.deliver(() => member.start())
    await world.until(() => left, bounds.call + 100)
    if (!(await world.until(() => stopped, 2 * timing.callMs + bounds.call + 300)))
      return world.violated('I11', `${member.name}: stop() does not resolve`)
    if (server.live(member.election)) return world.violated('I11', `${member.name} was stopped in an acquire, and holds ${member.election}`)
  }
}

/** Stopped while nobody knows what became of its bid, which was won: it is given back. */
async function stopInDoubt(cluster: Cluster): Promise<void> {
  const { world, timing, network, server, members } = cluster
  const [member] = members
  if (!member) return
  const { call } = boundsOf(cluster)
  network.trap = (way, about, host) =>
    host === member.host && way === 'down' && about.election === member.election && about.granted ? Number.POSITIVE_INFINITY : 0
  let doubtful = false
  member.onTrouble = () => {
    doubtful = true
  }
  member.host.deliver(() => member.start())
  await world.until(() => doubtful, timing.callMs * 1.2 + call + 100)
  member.onTrouble = undefined
  network.trap = undefined
  await stopAll(cluster, [member])
  if (server.live(member.election)) world.violated('I11', `${member.name} was stopped in doubt, and still holds ${member.election}`)
}

/** A bid lands after its candidate has been stopped, and after its release: the late answer gives it back. */
async function lateWin(cluster: Cluster): Promise<void> {
  const { world, timing, network, server, plan, members } = cluster
  const [member] = members
  // A store that hears that nobody waits never tells, and the lease lapses.
  if (!member || !plan.deaf || plan.profile === 'observed') return
  const { call } = boundsOf(cluster)
  const lateMs = timing.callMs * 2 + call
  let late = 0
  network.trap = (way, about, host) => {
    if (host !== member.host || way !== 'up' || about.purpose !== 'acquire' || about.election !== member.election || late > 0) return 0
    late += 1
    return lateMs
  }
  let stopped = false
  member.onAcquire = () => member.host.afterPending(() => void member.stop().then(() => (stopped = true)))
  member.host.deliver(() => member.start())
  if (!(await world.until(() => stopped, 2 * timing.callMs + call + 300)))
    return world.violated('I14', `${member.name}: stop() does not resolve`)
  await world.wait(lateMs + 3 * call)
  network.trap = undefined
  world.count('lateWin')
  if (server.live(member.election)) world.violated('I11', `${member.name} was told late that it had won, and has not given it back`)
}

/** Each candidate in turn is the only one left, and must lead: nobody is stuck. */
async function survivors(cluster: Cluster): Promise<void> {
  const { world } = cluster
  const { handover: soon, call } = boundsOf(cluster)
  for (const member of cluster.members) {
    if (world.over) return
    member.host.deliver(() => member.start())
    const leads = () => cluster.leaderOf(member.election) === member
    if (!(await world.until(leads, 3 * call + 100)))
      return world.violated('I11', `${member.name} is the only one left and does not lead in ${Math.round(soon)} ms`)
    await stopAll(cluster, [member])
  }
}

/** I13: everybody has stopped, nothing is left. */
async function end(cluster: Cluster): Promise<void> {
  cluster.stopping = true
  for (const { controller, host } of cluster.members) host.deliver(() => controller.abort())
  await stopAll(cluster, cluster.members)
  await cluster.world.wait(boundsOf(cluster).call + cluster.timing.callMs)
  cluster.witness.tell('ended')
}

async function stopAll(cluster: Cluster, members: readonly Member[]): Promise<void> {
  const { world, timing } = cluster
  let left = 0
  for (const member of members) {
    if (!member.host.alive) continue
    left += 1
    member.host.deliver(() => void member.stop().then(() => (left -= 1)))
  }
  if (!(await world.until(() => left === 0, 2 * timing.callMs + boundsOf(cluster).call + 400))) {
    world.violated('I14', 'stop() does not resolve although all is well')
  }
}

function membersOf(cluster: Cluster, election: string): readonly Member[] {
  return cluster.members.filter((member) => member.election === election && member.eligible)
}
