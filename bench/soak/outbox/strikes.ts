/** What is done to the services, each until everything is calm again, and noted for the judge. */

import type { Kind } from './judge.ts'
import { pause, type Service, type Stage } from './stage.ts'

export async function strike(stage: Stage, kind: Kind): Promise<void> {
  await stage.calm()
  await stage.sample()
  const from = performance.now()
  const struck: number[] = []
  try {
    await strikes[kind](stage, struck)
    await stage.calm()
  } finally {
    stage.strikes.push({ kind, from, to: performance.now(), struck })
  }
}

const strikes: Readonly<Record<Kind, (stage: Stage, struck: number[]) => Promise<void>>> = {
  kill: (stage, struck) => kill(stage, struck, (act) => act()),
  killMarking: (stage, struck) => kill(stage, struck, (act) => stage.whileMarking(act)),
  freeze: (stage, struck) => freeze(stage, struck, (act) => act()),
  freezeMarking: (stage, struck) => freeze(stage, struck, (act) => stage.whileMarking(act)),

  /** Must change nothing. */
  async follower(stage) {
    const { leader } = led(stage)
    const others = stage.services.filter((it) => it !== leader)
    const other = others[Math.floor(stage.options.chance() * others.length)]
    if (other) await restart(stage, other)
  },

  /** All three, gracefully, one after the other. */
  async rolling(stage, struck) {
    const first = Math.floor(stage.options.chance() * stage.services.length)
    for (const it of [...stage.services.slice(first), ...stage.services.slice(0, first)]) {
      const { leader, token } = led(stage)
      if (it === leader) struck.push(token)
      await restart(stage, it)
      if (it === leader) await stage.follows(token)
    }
  },
}

type When = (act: () => unknown) => unknown

/** kill -9, and started again when another leads. */
async function kill(stage: Stage, struck: number[], when: When): Promise<void> {
  const { leader, token } = led(stage)
  struck.push(token)
  await when(() => leader.server?.kill('SIGKILL'))
  await stage.follows(token)
  await stage.calm()
  await stage.start(leader)
}

/** Stopped for longer than its lease, and thawed when another leads. */
async function freeze(stage: Stage, struck: number[], when: When): Promise<void> {
  const { leader, token } = led(stage)
  struck.push(token)
  await when(() => leader.server?.freeze())
  await pause(stage.options.ttlMs * (1.2 + stage.options.chance()))
  await stage.follows(token)
  // Its successor must get along without its being thawed.
  await stage.calm()
  leader.server?.thaw()
}

async function restart(stage: Stage, it: Service): Promise<void> {
  await it.server?.kill('SIGTERM')
  await stage.start(it)
}

function led(stage: Stage): { leader: Service; token: number } {
  const { leader, token } = stage
  if (!leader) throw new Error('nobody leads')
  return { leader, token }
}
