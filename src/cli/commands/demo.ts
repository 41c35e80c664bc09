/** `tenure demo`: the main job, shown live with three processes of its own; ends by itself in less than twenty seconds. */

import type { Verb } from '../command.ts'
import { act } from '../demo/actor.ts'
import { play } from '../demo/play.ts'
import { exitCode } from '../exit-codes.ts'

interface DemoOptions {
  readonly actor?: string | undefined
  readonly dir?: string | undefined
}

export const demo: Verb = {
  add(program, _rest, done) {
    const command = program.command('demo').description('show a crash, a frozen leader and a hand-over, live, in under 20 s')
    // How the demonstration starts its own processes.
    command.option('--actor <id>').option('--dir <path>')
    command.configureHelp({ visibleOptions: () => [] })
    command.action(({ actor, dir }: DemoOptions) => done(actor && dir ? stand(actor, dir) : show()))
  },
}

async function show(): Promise<number> {
  return (await play()) ? exitCode.ok : exitCode.internal
}

/** An actor ends when the stage is gone. */
async function stand(id: string, dir: string): Promise<number> {
  await act(dir, id)
  return new Promise(() => {})
}
