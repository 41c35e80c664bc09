/**
 * The terminal of a run. A child that is to have it must be in a process group of its own in the session of its
 * supervisor, and in the foreground; only a shell in monitor mode can arrange that, so that one stands between the two.
 * It also tells when the child was stopped (Ctrl-Z), and what was typed to end it (Ctrl-C, Ctrl-\). It may assume a POSIX
 * shell at /bin/sh: dash, bash and busybox are known to work. It must never take the foreground from somebody who has it.
 */

import { fstatSync } from 'node:fs'
import { isErrno } from './output.ts'
import { type Process, processOf } from './processes.ts'
import { MARK_NAME } from './tree.ts'

/**
 * A Ctrl-C goes to the group in the foreground, of which we are not, and a command that ends well on it, or lives on, does
 * not tell. So a witness stands in that group, and writes to descriptor 3 what was typed. It ends when descriptor 4 does.
 *
 * It has to be forked as if in the foreground: what a shell starts with `&` is deaf to Ctrl-C for good. So it frees whoever
 * waits for it by killing the shell between them, and only then the command begins: nothing that is typed is missed, and
 * the command has no child that it did not start. Its pid, which no variable of a shell holds, it learns from /proc without
 * a fork; elsewhere it does not tell it.
 */
const witness = `
exec </dev/null >/dev/null 2>&1 5>&-
( trap '' HUP TERM USR1 USR2 TSTP TTIN TTOU
  trap 'typed=1; echo SIGINT >&3' INT
  trap 'typed=1; echo SIGQUIT >&3' QUIT
  read -r pid rest </proc/self/stat && echo "witness $pid" >&3
  kill -KILL $$
  typed=1
  while [ "$typed" ]; do typed=; read -r word <&4; done
) | :
`

/**
 * What the shell runs. Its descriptor 3 leads to the supervisor: `pid N`, `witness N`, `stopped`, `SIGINT` and `SIGQUIT` go
 * out, `go`, `no`, `fg` and `bg` come in. The command waits for its `go`, so that nothing runs before the guard knows of it.
 * The mark is given to the command alone: the shell outlives it, to give the foreground back. When nobody is left at the
 * other end the shell of the user has the foreground already, and ours must not touch it: it ends without another word. It
 * is told by number: where it has ended, `$PPID` may be whoever adopts orphans.
 *
 * The parentheses make it fork. A plain command is started by vfork where the shell is dash, and one that is stopped between
 * that and its exec is never heard of: its parent sleeps until it executes something, which it will not.
 */
const script = `
mark=$1 witness=$2 s=1; shift 2
trap : INT QUIT
trap 'exit "$s"' EXIT # bash gives up what it does when the command dies of SIGINT
exec 5>&2 2>/dev/null
( export ${MARK_NAME}="$mark"; exec /bin/sh -c '
  launcher=$1 witness=$2; shift 2
  trap "echo SIGINT >&3; exit 130" INT
  trap "echo SIGQUIT >&3; exit 131" QUIT
  echo "pid $$" >&3
  read -r word <&3 || kill -KILL "$launcher"
  [ "$word" = go ] || exit 1
  ( exec /bin/sh -c "$witness" )
  exec 3>&- 4<&- 2>&5 5>&- && exec "$@"
' tenure $$ "$witness" "$@" )
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
  return ['/bin/sh', ['-m', '-c', script, 'tenure', mark, witness, ...command]]
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
