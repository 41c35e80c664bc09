/**
 * The terminal of a run. A child that is to have it must be in a process group of its own in the session of its
 * supervisor, and in the foreground; only a shell in monitor mode can arrange that, so that one stands between the two.
 * It also tells when the child was stopped (Ctrl-Z). It may assume a POSIX shell at /bin/sh: dash, bash and busybox are
 * known to work. It must never take the foreground from somebody who has it.
 */

import { fstatSync } from 'node:fs'
import { isErrno } from './output.ts'
import { type Process, processOf } from './processes.ts'
import { MARK_NAME } from './tree.ts'

/**
 * What the shell runs. Its descriptor 3 leads to the supervisor: `pid N` and `stopped` go out, `go`, `no`, `fg` and `bg`
 * come in. The command waits for its `go`, so that nothing runs before the guard knows of it. The mark is given to the
 * command alone: the shell outlives it, to give the foreground back. When nobody is left at the other end the shell of the
 * user has the foreground already, and ours must not touch it: it ends without another word. It is told by number: where it
 * has ended, `$PPID` may be whoever adopts orphans.
 *
 * The parentheses make it fork. A plain command is started by vfork where the shell is dash, and one that is stopped between
 * that and its exec is never heard of: its parent sleeps until it executes something, which it will not.
 */
const script = `
mark=$1 s=1; shift
trap : INT QUIT
trap 'exit "$s"' EXIT # bash gives up what it does when the command dies of SIGINT
exec 4>&2 2>/dev/null
( export ${MARK_NAME}="$mark"; exec /bin/sh -c '
  launcher=$1; shift
  echo "pid $$" >&3
  read -r word <&3 || kill -KILL "$launcher"
  [ "$word" = go ] && exec 3>&- && exec "$@"
' tenure $$ "$@" 2>&4 4>&- )
s=$?
while [ "$s" -gt 128 ] && jobs %% >/dev/null 2>&1; do
  echo stopped >&3
  read -r word <&3 || kill -KILL $$
  s=130
  if [ "$word" = fg ]; then fg >/dev/null
  else bg >/dev/null; wait %%
  fi
  s=$?
done
exit $s
`

/** How to start a command so that it has the terminal. */
export function launcher(command: readonly string[], mark: string): readonly [file: string, args: readonly string[]] {
  return ['/bin/sh', ['-m', '-c', script, 'tenure', mark, ...command]]
}

/**
 * Whether the child gets the terminal: there is one, we have its foreground, and we don't share it with a pipeline, whose
 * other members would lose it.
 */
export function isOnTerminal(): boolean {
  const me = processOf(process.pid)
  return me !== undefined && me.foreground > 0 && me.foreground === me.group && !isPiped(0) && !isPiped(1)
}

/** Whether we can be hung up on. */
export function hasTerminal(): boolean {
  return (processOf(process.pid)?.foreground ?? 0) > 0
}

function isPiped(fd: number): boolean {
  try {
    const stat = fstatSync(fd)
    return stat.isFIFO() || stat.isSocket()
  } catch (thrown) {
    if (isErrno(thrown, 'EBADF')) return false
    throw thrown
  }
}

/**
 * The child was stopped: stop too, together with our group, as the terminal would have done, so that the shell of the
 * user takes over. Resolves after we were continued, with where the child belongs then.
 */
export async function stopAlong(launcherPid: number): Promise<'fg' | 'bg'> {
  const me = processOf(process.pid)
  if (me) process.kill(-me.group, 'SIGTSTP')
  // Where nobody could continue us the system has ignored the signal, and this goes on by itself.
  await new Promise((resolve) => setTimeout(resolve, 50))
  const now: Process | undefined = processOf(process.pid)
  return now && (now.foreground === now.group || now.foreground === launcherPid) ? 'fg' : 'bg'
}
