/**
 * The signals that a supervisor receives. It may assume nothing of who sent them. They are passed on to the child; some
 * also mean that the run shall end.
 */

import { hasTerminal } from './terminal.ts'

const always = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const
/** A child that does not have the terminal hears of these only from us. */
const fromTerminal = ['SIGWINCH', 'SIGTSTP', 'SIGCONT'] as const

type Heard = (signal: NodeJS.Signals) => void

/** Hear of every signal that is to be passed on. The function returned ends that. */
export function onSignals(heard: Heard): () => void {
  return listen(always, heard)
}

/** Hear of the signals that a terminal sends to those who have it. The function returned ends that. */
export function onTerminalSignals(heard: Heard): () => void {
  return listen(fromTerminal, heard)
}

/** Whether a signal asks the run to end. Without a terminal nobody hangs up, and SIGHUP means: read your settings anew. */
export function isEnd(signal: NodeJS.Signals): boolean {
  return signal === 'SIGINT' || signal === 'SIGTERM' || signal === 'SIGQUIT' || (signal === 'SIGHUP' && hasTerminal())
}

function listen(signals: readonly NodeJS.Signals[], heard: Heard): () => void {
  const own: Heard = (signal) => heard(signal)
  for (const signal of signals) process.on(signal, own)
  return () => {
    for (const signal of signals) process.off(signal, own)
  }
}
