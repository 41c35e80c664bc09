/** The door of `tenure/failover`: re-exports only. */

export { type Bus, MAX_MESSAGE_BYTES, type Member } from './failover/bus.ts'
export { inProcessBus } from './failover/buses/in-process.ts'
export { type IpcCluster, type IpcPeer, IpcRelay, ipcBus } from './failover/buses/ipc.ts'
export { type PostgresBusClient, type PostgresBusOptions, postgresBus } from './failover/buses/postgres.ts'
export { type RedisBusClient, type RedisBusOptions, redisBus } from './failover/buses/redis.ts'
export { type UnixSocketBusOptions, unixSocketBus } from './failover/buses/unix-socket.ts'
export type { DemoteReason, FailoverEvents, Heartbeat, Role, RoleChange, Suspicion } from './failover/events.ts'
export { Failover } from './failover/failover.ts'
export type { FailoverOptions, Primary, Probe } from './failover/settings.ts'
export type { BusStatus, FailoverStatus, Phase } from './failover/status.ts'
