/** A person at a terminal: a real pseudo-terminal, a shell with job control, keys typed. */

import { execFileSync, spawn as spawnProcess, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, realpathSync, symlinkSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type IPty, spawn } from '@lydell/node-pty'
import { afterEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../scripts/build.mjs'
import { BOUND_MS, guardOf, isAlive, linesOf, place, until } from './harness.ts'

const here = place()
const open: IPty[] = []
afterEach(() => {
  for (const pty of open.splice(0)) pty.kill('SIGKILL')
})

/** An interactive shell, and what it shows. */
class Shell {
  readonly #pty: IPty
  #seen = ''

  constructor(file = 'bash', args: readonly string[] = ['--norc', '-i']) {
    const { INPUTRC: _, ...env } = here.environment({ PS1: 'ready> ', TERM: 'xterm' })
    this.#pty = spawn(file, [...args], { cols: 200, rows: 24, cwd: here.folder, env })
    open.push(this.#pty)
    this.#pty.onData((data) => {
      this.#seen += data
    })
  }

  get pid(): number {
    return this.#pty.pid
  }

  /** Wait for what is shown. Returns it with what came before; what comes after is looked at the next time. */
  async shows(pattern: RegExp, boundMs = BOUND_MS): Promise<string> {
    await until(
      () => pattern.test(this.#seen),
      () => `the terminal to show ${pattern}, it shows: ${JSON.stringify(this.#seen)}`,
      boundMs,
    )
    const match = pattern.exec(this.#seen)
    const end = (match?.index ?? 0) + (match?.[0].length ?? 0)
    const seen = this.#seen.slice(0, end)
    this.#seen = this.#seen.slice(end)
    return seen
  }

  type(keys: string): void {
    this.#pty.write(keys)
  }

  async line(text: string): Promise<void> {
    await this.shows(/ready> /)
    this.type(`${text}\r`)
    // The echo of what was typed is not what we wait for.
    await this.shows(/\n/)
  }

  async run(script: string, options = ''): Promise<void> {
    await this.line(`${process.execPath} ${here.folder}/cli/main.js run x ${options} -- sh ${here.file('script', script)}`)
  }

  /**
   * `fg`. A carriage return that is typed before the shell has given the terminal back ends no line, for whoever reads it
   * afterwards; the shell repeats the command when it has.
   */
  async foreground(): Promise<void> {
    await this.line('fg')
    await this.shows(/ run x /)
  }

  /** Ctrl-Z, and on. */
  async pause(): Promise<void> {
    this.type(CTRL_Z)
    await this.shows(/Stopped/)
    this.type('\r')
    await this.foreground()
  }

  resize(columns: number, rows: number): void {
    this.#pty.resize(columns, rows)
  }

  async exitCode(): Promise<number> {
    await this.line('echo "code:$?"')
    return Number(/code:(\d+)/.exec(await this.shows(/code:\d+/))?.[1])
  }
}

// Scripts to which keys are typed wait by themselves and start nothing. Between the vfork and the exec of its child a
// shell that is dash is deaf to Ctrl-Z and forgets Ctrl-C, whoever has started it (see `terminal.ts`).
const CTRL_C = '\u0003'
const CTRL_Z = '\u001a'
const CTRL_BACKSLASH = '\u001c'

/** The win is told by a thread of the supervisor, and may be shown after what the child says. */
const BEGUN = /supervisor pid \d+\D[\s\S]*begun|begun[\s\S]*supervisor pid \d+\D/

/** Nothing is left but the shell: a guard that was dismissed ends a moment after its supervisor. */
async function alone(shell: Shell): Promise<void> {
  await until(
    () => here.left().every((pid) => pid === shell.pid),
    () => `the end of ${here.left().filter((pid) => pid !== shell.pid)}`,
  )
  expect(here.left()).toEqual([shell.pid])
}

describe('the child has the terminal', () => {
  test('on winning we say so, with the pid that a person needs', async () => {
    const shell = new Shell()
    await shell.run('sleep 1000')
    const seen = await shell.shows(/leading x, token \d+, supervisor pid \d+\D/)
    expect(isAlive(Number(/supervisor pid (\d+)/.exec(seen)?.[1]))).toBe(true)
  })

  test('reads keys, reads /dev/tty, sees the size of the window and its changes', async () => {
    const shell = new Shell()
    await shell.run(
      'trap "stty size" WINCH; stty size; read a; echo "got:$a"; read b < /dev/tty; echo "tty:$b"; while :; do sleep 0.1; done',
    )
    await shell.shows(/24 200/)
    shell.type('hello\r')
    await shell.shows(/got:hello/)
    shell.type('again\r')
    await shell.shows(/tty:again/)
    shell.resize(100, 30)
    await shell.shows(/30 100/)
  })

  test('Ctrl-C reaches it, and it alone: 130', async () => {
    const shell = new Shell()
    await shell.run('echo begun; read a')
    await shell.shows(/begun/)
    shell.type(CTRL_C)
    expect(await shell.exitCode()).toBe(130)
  })

  test('a child that lives on after Ctrl-C goes on leading', async () => {
    const shell = new Shell()
    const log = here.file('log')
    await shell.run(`trap 'echo interrupted' INT; echo begun; while [ ! -e ${log} ]; do sleep 0.1; done; exit 5`)
    await shell.shows(/begun/)
    shell.type(CTRL_C)
    await shell.shows(/interrupted/)
    expect((await here.ended(['status', 'x'])).code).toBe(0)
    here.file('log', 'end')
    expect(await shell.exitCode()).toBe(5)
  })

  test('Ctrl-\\ : 131', async () => {
    const shell = new Shell()
    await shell.run('ulimit -c 0; echo begun; read a')
    await shell.shows(/begun/)
    shell.type(CTRL_BACKSLASH)
    expect(await shell.exitCode()).toBe(131)
  })

  test('the terminal is ours again afterwards: what is typed next is read by the shell', async () => {
    const shell = new Shell()
    for (const signal of ['', 'kill -KILL $$', 'kill -TERM $$']) {
      await shell.run(`${signal}\nexit 4`)
      await shell.line('echo "still $((40 + 2))"')
      await shell.shows(/still 42/)
      shell.type('\r')
    }
  })

  test('--keep: each child in turn has it', async () => {
    const shell = new Shell()
    await shell.run('echo begun; read a; echo "got:$a"', '--keep')
    for (const word of ['one', 'two', 'three']) {
      await shell.shows(/begun/)
      shell.type(`${word}\r`)
      await shell.shows(new RegExp(`got:${word}`))
    }
  })
})

describe('Ctrl-C asks the run to end', () => {
  /** How often the command was run is what its log says. */
  const logged = (log: string, rest: string) => `echo run >> ${log}; ${rest}`

  test.each([
    ['a command that dies of it', 'echo begun; read a', CTRL_C, 130],
    ['a command that ends well on it', 'trap "exit 0" INT; echo begun; read a', CTRL_C, 0],
    ['a command that dies of Ctrl-\\', 'ulimit -c 0; echo begun; read a', CTRL_BACKSLASH, 131],
  ])('--keep: %s is not run again', async (_, script, keys, code) => {
    const shell = new Shell()
    const log = here.file('log')
    await shell.run(logged(log, script), '--keep --on-lost restart --hold 10m')
    await shell.shows(/begun/)
    shell.type(keys)
    expect(await shell.exitCode()).toBe(code)
    expect(linesOf(log)).toEqual(['run'])
    await alone(shell)
  })

  test('--keep: a command that uses it otherwise is let be, and not run again when it ends', async () => {
    const shell = new Shell()
    const log = here.file('log')
    const script = 'trap "echo interrupted" INT; echo begun; while :; do read a && echo "got:$a" && exit 5; done'
    await shell.run(logged(log, script), '--keep')
    await shell.shows(/begun/)
    for (const _ of ['once', 'again']) {
      shell.type(CTRL_C)
      await shell.shows(/interrupted/)
    }
    shell.type('hello\r')
    await shell.shows(/got:hello/)
    expect(await shell.exitCode()).toBe(5)
    expect(linesOf(log)).toEqual(['run'])
  })

  test('--drain: a command that ignores it is killed when the time is over, and 137', async () => {
    const shell = new Shell()
    await shell.run('trap "" INT; echo begun; read a', '--drain 300ms')
    await shell.shows(/begun/)
    shell.type(CTRL_C)
    expect(await shell.exitCode()).toBe(137)
    await alone(shell)
  })

  test('what the command leaves behind, deaf to Ctrl-C, is ended as ever', async () => {
    const shell = new Shell()
    await shell.run('trap "" INT; sleep 1000 & trap - INT; echo begun; read a')
    await shell.shows(/begun/)
    shell.type(CTRL_C)
    await shell.shows(/left 1 of its processes behind/)
    expect(await shell.exitCode()).toBe(130)
  })

  test('who tells of it may be slow: it is heard before the command is run again', async () => {
    const main = await here.faulty('slow-witness', {
      file: 'src/cli/terminal.ts',
      from: "echo SIGINT >&3' INT",
      to: "sleep 0.5; echo SIGINT >&3' INT",
    })
    const shell = new Shell()
    const log = here.file('log')
    const script = here.file('script', logged(log, 'trap "exit 0" INT; echo begun; read a'))
    await shell.line(`${process.execPath} ${main} run x --keep -- sh ${script}`)
    await shell.shows(/begun/)
    shell.type(CTRL_C)
    // And it is none of the processes that the command left behind.
    expect(await shell.shows(/ended with exit code 0/)).not.toContain('left')
    expect(await shell.exitCode()).toBe(0)
    expect(linesOf(log)).toEqual(['run'])
  })

  test('who tells of it may end a moment after its last word: the command has not left it behind', async () => {
    const main = await here.faulty('lingering-witness', {
      file: 'src/cli/terminal.ts',
      from: 'read -r word <&4; done\n',
      to: 'read -r word <&4; done; exec 3>&- 4<&-; sleep 0.5\n',
    })
    const shell = new Shell()
    await shell.line(`${process.execPath} ${main} run x -- sh ${here.file('script', 'exit 4')}`)
    expect(await shell.shows(/ended with exit code 4/)).not.toContain('left')
    expect(await shell.exitCode()).toBe(4)
  })

  test('after Ctrl-Z and fg, too', async () => {
    const shell = new Shell()
    const log = here.file('log')
    await shell.run(logged(log, 'trap "exit 0" INT; echo begun; read a; echo "got:$a"; read b'), '--keep')
    await shell.shows(/begun/)
    await shell.pause()
    shell.type('hello\r')
    await shell.shows(/got:hello/)
    shell.type(CTRL_C)
    expect(await shell.exitCode()).toBe(0)
    expect(linesOf(log)).toEqual(['run'])
  })

  test('the command has no process and no descriptor that it did not ask for', async () => {
    const shell = new Shell()
    // The substitution itself is a child.
    await shell.run('echo "children:$(cat /proc/$$/task/$$/children | wc -w) sockets:$(ls -l /proc/$$/fd | grep -c socket:)"')
    await shell.shows(/children:1 sockets:0/)
  })
})

describe('Ctrl-Z', () => {
  const script = 'echo begun; read a; echo "got:$a"; exit 7'

  test('stops the child and us; fg goes on with the same child', async () => {
    const shell = new Shell()
    await shell.run(script)
    await shell.shows(/begun/)
    await shell.pause()
    shell.type('hello\r')
    await shell.shows(/got:hello/)
    expect(await shell.exitCode()).toBe(7)
  })

  test('bg: it runs on; when it wants to read it stops, as any job does, and fg brings it back', async () => {
    const shell = new Shell()
    const gate = here.file('gate')
    execFileSync('mkfifo', [gate])
    await shell.run(`echo begun; read b < ${gate}; ${script}`)
    await shell.shows(/begun/)
    shell.type(CTRL_Z)
    await shell.shows(/Stopped/)
    shell.type('\r')
    await shell.line('bg')
    await writeFile(gate, 'go on\n')
    await shell.shows(/begun/)
    // It is told by the shell before its next prompt.
    for (let stopped = false; !stopped; ) {
      shell.type('\r')
      stopped = /Stopped/.test(await shell.shows(/ready> /))
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    shell.type('\r')
    await shell.foreground()
    shell.type('hello\r')
    await shell.shows(/got:hello/)
    expect(await shell.exitCode()).toBe(7)
  })

  test('for longer than the lease lives: the guard has ended the tree, and fg says 80', async () => {
    const shell = new Shell()
    await shell.run('echo begun; read a', '--ttl 4s')
    await shell.shows(/begun/)
    shell.type(CTRL_Z)
    await shell.shows(/Stopped/)
    const next = await here.ended(['run', 'x', '--ttl', '4s', '--wait', '15s', '--', 'echo', 'next'])
    expect(next.out).toBe('next\n')
    shell.type('\r')
    await shell.foreground()
    expect(await shell.exitCode()).toBe(80)
  })

  test('while waiting: stops us, and fg goes on waiting', async () => {
    const first = here.tenure(['run', 'x', '-v', '--', 'sleep', '1000'])
    await first.says(/leading x/)
    const shell = new Shell()
    await shell.run('echo begun; exit 3')
    await shell.shows(/waiting for x/)
    shell.type(CTRL_Z)
    await shell.shows(/Stopped/)
    first.kill('SIGTERM')
    await first.exited
    shell.type('\r')
    await shell.foreground()
    await shell.shows(/begun/)
    expect(await shell.exitCode()).toBe(3)
  })

  test('without a shell that could continue us, the system ignores it and the child goes on', async () => {
    const script = here.file('script', 'echo begun; read a; echo "got:$a"; sleep 1000')
    const shell = new Shell(process.execPath, [`${here.folder}/cli/main.js`, 'run', 'x', '--', 'sh', script])
    await shell.shows(/begun/)
    shell.type(CTRL_Z)
    await new Promise((resolve) => setTimeout(resolve, 300))
    shell.type('hello\r')
    await shell.shows(/got:hello/)
  })
})

/** A lease of the kernel (F_SETLEASE, F_WRLCK): whoever opens the file sleeps, and a signal tells of him. */
const takeLease = `open(my $file, '<', $ARGV[0]) or exit 1; fcntl($file, 1024, 1) or exit 1;`

/** Whoever executes this file has to wait, until we let go of it. */
async function held(path: string): Promise<{ awaited(): Promise<void>; letGo(): void }> {
  const script = `$| = 1; $SIG{IO} = sub { print "awaited\\n" }; ${takeLease}
    print "held\\n"; 1 while !defined sysread(STDIN, my $word, 1)`
  const holder = spawnProcess('perl', ['-e', script, path], { env: here.environment(), stdio: ['pipe', 'pipe', 'inherit'] })
  let said = ''
  holder.stdout.on('data', (chunk: Buffer) => {
    said += chunk
  })
  const says = (word: string) =>
    until(
      () => said.includes(word),
      () => `"${word}", it said: ${said}`,
    )
  await says('held')
  return { awaited: () => says('awaited'), letGo: () => void holder.stdin.write('.') }
}

const hasLeases = spawnSync('perl', ['-e', takeLease, here.file('probe', '')]).status === 0
const hasVfork = realpathSync('/bin/sh').endsWith('dash')

describe.skipIf(!hasLeases)('Ctrl-Z after fork and before exec', () => {
  async function stoppedEarly(name: string, ...faults: Fault[]): Promise<{ shell: Shell; letGo(): void }> {
    const slow = here.file(`${name}-sh`)
    copyFileSync('/bin/sh', slow)
    const main = await here.faulty(name, { file: 'src/cli/terminal.ts', from: "/bin/sh -c '", to: `${slow} -c '` }, ...faults)
    const { awaited, letGo } = await held(slow)
    const shell = new Shell()
    await shell.line(`${process.execPath} ${main} run x -- sh ${here.file('script', 'echo begun; exit 7')}`)
    await awaited()
    shell.type(CTRL_Z)
    return { shell, letGo }
  }

  test('stops the job, and fg begins with the command', async () => {
    const { shell, letGo } = await stoppedEarly('slow')
    await shell.shows(/Stopped/)
    shell.type('\r')
    await shell.foreground()
    letGo()
    await shell.shows(/begun/)
    expect(await shell.exitCode()).toBe(7)
  })

  test.skipIf(!hasVfork)('a launcher that starts it by vfork never hears of it', async () => {
    const { shell } = await stoppedEarly(
      'vfork',
      { file: 'src/cli/terminal.ts', from: '( export', to: 'export' },
      { file: 'src/cli/terminal.ts', from: '; exec ', to: '; ' },
      { file: 'src/cli/terminal.ts', from: '"$@" )', to: '"$@"' },
    )
    await expect(shell.shows(/Stopped/, 3000)).rejects.toThrow('waited')
  })
})

describe('where the child must not have it', () => {
  test('in a pipeline the others keep the terminal, and Ctrl-C still ends the child', async () => {
    const shell = new Shell()
    const log = here.file('log')
    const script = here.file('script', `trap 'echo told > ${log}; exit 0' INT; echo begun; while :; do sleep 0.1; done`)
    await shell.line(`${process.execPath} ${here.folder}/cli/main.js run x -- sh ${script} | cat`)
    await shell.shows(/begun/)
    shell.type(CTRL_C)
    await until(
      () => linesOf(log).includes('told'),
      () => 'the child to be told',
    )
  })

  test('in a pipeline Ctrl-Z stops the child too, and fg continues it', async () => {
    const shell = new Shell()
    const log = here.file('log')
    const script = here.file('script', `echo begun; while :; do echo beat >> ${log}; sleep 0.05; done`)
    await shell.line(`${process.execPath} ${here.folder}/cli/main.js run x -- sh ${script} | cat`)
    await shell.shows(/begun/)
    shell.type(CTRL_Z)
    await shell.shows(/Stopped/)
    // What was on its way when it was stopped is written by now.
    await new Promise((resolve) => setTimeout(resolve, 200))
    const beats = linesOf(log).length
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(linesOf(log)).toHaveLength(beats)
    shell.type('\r')
    await shell.foreground()
    await until(
      () => linesOf(log).length > beats,
      () => 'the child to go on',
    )
  })

  test('in the background it takes nothing from the shell', async () => {
    const shell = new Shell()
    const log = here.file('log')
    const script = here.file('script', `echo begun >> ${log}; sleep 1000`)
    await shell.line(`${process.execPath} ${here.folder}/cli/main.js run x --quiet -- sh ${script} &`)
    await until(
      () => linesOf(log).length > 0,
      () => 'the child',
    )
    shell.type('\r')
    await shell.line('echo "still $((40 + 2))"')
    await shell.shows(/still 42/)
  })
})

describe('the end', () => {
  test('the terminal is closed: child, guard and supervisor end', async () => {
    const shell = new Shell()
    await shell.run('echo begun; sleep 1000')
    await shell.shows(/begun/)
    const [pty] = open.splice(0)
    pty?.kill('SIGHUP')
    await until(
      () => here.left().length === 0,
      () => `the end of ${here.left()}`,
    )
  })

  test('the supervisor is killed: the tree ends, and the shell has its terminal back', async () => {
    const shell = new Shell()
    await shell.run('echo begun; sleep 1000')
    const seen = await shell.shows(BEGUN)
    const pid = Number(/supervisor pid (\d+)/.exec(seen)?.[1])
    process.kill(pid, 'SIGKILL')
    await shell.line('echo "still $((40 + 2))"')
    await shell.shows(/still 42/)
    await until(
      () => here.left().filter((one) => one !== shell.pid).length === 0,
      () => `the end of ${here.left()}`,
    )
  })

  test('the launcher is killed while a word for it is on its way: that is an end like others, and no failure of ours', async () => {
    const main = await here.faulty('deaf', {
      file: 'src/cli/terminal.ts',
      from: 'read -r word <&3 || kill -KILL "$launcher"',
      to: 'sleep 0.5; kill -KILL "$launcher" $$',
    })
    const shell = new Shell()
    await shell.line(`${process.execPath} ${main} run x -- true`)
    expect(await shell.exitCode()).toBe(137)
  })

  test('a loss ends a child in the foreground, and 80 comes out', async () => {
    const shell = new Shell()
    await shell.run('trap "" TERM; echo begun; while :; do sleep 1; done', '--kill-after 400ms')
    const seen = await shell.shows(BEGUN)
    const pid = Number(/supervisor pid (\d+)/.exec(seen)?.[1])
    process.kill(guardOf(pid), 'SIGKILL')
    await shell.shows(/lost x/)
    expect(await shell.exitCode()).toBe(80)
  })
})

describe.each([
  ['bash', '/bin/bash'],
  ['busybox', '/bin/busybox'],
])('where /bin/sh is %s', (name, program) => {
  test.skipIf(!existsSync(program))('keys, Ctrl-Z and fg, Ctrl-C: as with any other', async () => {
    const folder = here.file(`${name}-folder`)
    mkdirSync(folder)
    const sh = join(folder, 'sh')
    symlinkSync(program, sh)
    const main = await here.faulty(
      name,
      { file: 'src/cli/terminal.ts', from: "['/bin/sh', ['-m'", to: `['${sh}', ['-m'` },
      { file: 'src/cli/terminal.ts', from: "/bin/sh -c '", to: `${sh} -c '` },
      { file: 'src/cli/terminal.ts', from: '/bin/sh -c "$witness"', to: `${sh} -c "$witness"` },
    )
    const shell = new Shell()
    const script = here.file('script', 'trap "exit 9" INT; echo begun; read a; echo "got:$a"; read b')
    await shell.line(`${process.execPath} ${main} run x --keep -- sh ${script}`)
    await shell.shows(/begun/)
    await shell.pause()
    shell.type('hello\r')
    await shell.shows(/got:hello/)
    shell.type(CTRL_C)
    expect(await shell.exitCode()).toBe(9)
    await alone(shell)
  })
})
