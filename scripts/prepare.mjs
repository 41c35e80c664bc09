/**
 * Makes a fresh clone ready: dependencies, build, servers. Plain Node, no dependencies, so that it runs before anything
 * is installed. Says what it does before it does it.
 */

import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')

/** Install the dependencies if they are missing or older than the lock file. */
export function ensureInstalled() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19)) fail(`Node 20.19 or later is needed, this is ${process.version}`)
  const installed = join(root, 'node_modules', '.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(join(root, 'package-lock.json')).mtimeMs) return
  say('Installing the dependencies (a minute at most) ...')
  run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
}

/** Build if a source is newer than the last build. */
export function ensureBuilt() {
  ensureInstalled()
  const built = join(root, 'dist', 'cli', 'main.js')
  if (existsSync(built) && statSync(built).mtimeMs >= newest(join(root, 'src'))) return
  say('Building ...')
  run(process.execPath, [join(root, 'scripts', 'build.mjs')])
}

/** The servers that the stores are tested on: what to look for, and Debian's packages that bring them. */
const servers = [
  { name: 'Redis', files: ['/usr/bin/redis-server'], packages: ['redis-server'] },
  { name: 'etcd', files: ['/usr/bin/etcd', '/usr/bin/etcdctl'], packages: ['etcd-server', 'etcd-client'] },
  { name: 'PostgreSQL', files: ['/usr/lib/postgresql'], packages: ['postgresql'] },
  { name: 'PgBouncer', files: ['/usr/sbin/pgbouncer'], packages: ['pgbouncer'] },
  {
    name: 'libfaketime',
    files: ['/usr/lib/x86_64-linux-gnu/faketime', '/usr/lib/aarch64-linux-gnu/faketime'],
    any: true,
    packages: ['libfaketime'],
  },
  // Not run as a server: its promtool checks the alerts.
  { name: 'Prometheus', files: ['/usr/bin/promtool'], packages: ['prometheus'] },
  { name: 'iptables', files: ['/usr/sbin/iptables'], packages: ['iptables'] },
]

export function missingServers() {
  return servers.filter(({ files, any }) => {
    const found = files.filter((file) => existsSync(file) || onPath(file))
    return any ? found.length === 0 : found.length < files.length
  })
}

/** Install missing servers where that can be done: as root, on Debian. Returns those that are still missing. */
export function ensureServers() {
  const missing = missingServers()
  if (missing.length === 0 || !mayInstall()) return missing
  const packages = missing.flatMap((server) => server.packages)
  say(`Installing servers to test on: ${missing.map(({ name }) => name).join(', ')} (about half a minute) ...`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const quiet = { env, stdio: ['ignore', 'ignore', 'inherit'] }
  const again = ['-o', 'Acquire::Retries=3']
  const update = spawnSync('apt-get', ['update', '-q', ...again], quiet)
  const install = spawnSync('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...again, ...packages], quiet)
  if (update.status !== 0 || install.status !== 0) say('... which did not succeed')
  return missingServers()
}

function mayInstall() {
  return process.getuid?.() === 0 && existsSync('/etc/debian_version')
}

function onPath(file) {
  const name = file.slice(file.lastIndexOf('/') + 1)
  return (process.env.PATH ?? '').split(':').some((place) => existsSync(join(place, name)))
}

function newest(folder) {
  let latest = statSync(folder).mtimeMs
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    latest = Math.max(latest, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs)
  }
  return latest
}

export function say(line) {
  process.stderr.write(`${line}\n`)
}

export function fail(line) {
  say(line)
  process.exit(1)
}

/** Run to the end; a failure ends this process with the same code. */
export function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) fail(`${command}: ${error.message}`)
  if (status !== 0) process.exit(status ?? 1)
}

/** Name of the newest commit; the seed of what is drawn by chance in a build. */
export function commit() {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return readFileSync(join(root, 'package.json'), 'utf8').length.toString(16)
  }
}
