/** Who is compared, over which server, and how each is set. What is not said here is the elector's own default. */

export type ServerName = 'redis' | 'etcd' | 'postgres' | 'host'

export interface Elector {
  /** As it stands in the table. */
  readonly name: string
  /** Its module in `electors/`. */
  readonly module: string
  /** The package that is measured. */
  readonly package: string
  readonly server: ServerName
  readonly settings: string
  /** What it takes besides. */
  readonly plan?: Readonly<Record<string, number>>
}

const using = 'routine inside `using`, ended by its signal; tried again at once'

export const electors: readonly Elector[] = [
  { name: 'Tenure, redis', module: 'tenure-redis', package: 'tenure', server: 'redis', settings: 'defaults' },
  {
    name: 'redlock (sesamecare)',
    module: 'redlock-sesamecare',
    package: '@sesamecare-oss/redlock',
    server: 'redis',
    settings: `${using}; 10 tries, 200 ms apart`,
  },
  {
    name: 'redlock (sesamecare), commandTimeout',
    module: 'redlock-sesamecare',
    package: '@sesamecare-oss/redlock',
    server: 'redis',
    settings: 'the same, and `commandTimeout: 1000` in ioredis',
    plan: { commandTimeout: 1000 },
  },
  { name: 'redlock', module: 'redlock', package: 'redlock', server: 'redis', settings: `${using}; 10 tries, 200 ms apart` },
  {
    name: 'redlock-universal',
    module: 'redlock-universal',
    package: 'redlock-universal',
    server: 'redis',
    settings: `${using}; 3 more tries, 100 ms apart`,
  },
  {
    name: 'redis-semaphore',
    module: 'redis-semaphore',
    package: 'redis-semaphore',
    server: 'redis',
    settings: '`Mutex`, `isAcquired` asked before each action, `onLockLost` given; tried every 10 ms, refreshed every 0.8 ttl',
  },
  {
    name: 'redis-semaphore, commandTimeout',
    module: 'redis-semaphore',
    package: 'redis-semaphore',
    server: 'redis',
    settings: 'the same, and `commandTimeout: 1000` in ioredis',
    plan: { commandTimeout: 1000 },
  },
  {
    name: 'redis-leader',
    module: 'redis-leader',
    package: 'redis-leader',
    server: 'redis',
    settings: 'events; `wait` 1 s; ends its process upon `error`, as advised',
  },
  {
    name: 'ts-safe-redis-leader',
    module: 'ts-safe-redis-leader',
    package: 'ts-safe-redis-leader',
    server: 'redis',
    settings: 'events; `wait` 1 s; ends its process upon `error`, after which it would stand no more',
  },
  {
    name: 'node-resque scheduler',
    module: 'node-resque',
    package: 'node-resque',
    server: 'redis',
    settings: '`scheduler.leader`; `timeout` 1 s (5 s by default), `leaderLockTimeout` 4 s (180 s by default)',
  },
  { name: 'Tenure, etcd', module: 'tenure-etcd', package: 'tenure', server: 'etcd', settings: 'defaults' },
  {
    name: 'etcd3 Election',
    module: 'etcd3-election',
    package: 'etcd3',
    server: 'etcd',
    settings: 'events; a new campaign 5 s after an `error`, as in its example, but never two at once',
  },
  {
    name: 'etcd3 Lock',
    module: 'etcd3-lock',
    package: 'etcd3',
    server: 'etcd',
    settings: '`acquire()` tried every 500 ms, held until the end: it tells of no loss',
  },
  { name: 'Tenure, postgres', module: 'tenure-postgres', package: 'tenure', server: 'postgres', settings: 'defaults' },
  {
    name: 'Tenure, postgres-advisory',
    module: 'tenure-postgres-advisory',
    package: 'tenure',
    server: 'postgres',
    settings: 'defaults',
  },
  {
    name: 'advisory-lock',
    module: 'advisory-lock',
    package: 'advisory-lock',
    server: 'postgres',
    settings: 'inside `withLock`; it has no ttl',
  },
  { name: 'Tenure, file', module: 'tenure-file', package: 'tenure', server: 'host', settings: 'defaults, and a directory' },
  {
    name: 'proper-lockfile',
    module: 'proper-lockfile',
    package: 'proper-lockfile',
    server: 'host',
    settings: '`stale` 5 s, the least it takes; tried every 200 ms; `onCompromised` given',
  },
  {
    name: 'unix-socket-leader',
    module: 'unix-socket-leader',
    package: 'unix-socket-leader',
    server: 'host',
    settings: 'its event; it has no ttl',
  },
  {
    name: 'broadcast-channel',
    module: 'broadcast-channel',
    package: 'broadcast-channel',
    server: 'host',
    settings: '`awaitLeadership`, `isLeader`; it has no ttl',
  },
]
