/** `file:/dir` for `connect.ts`: the file store, and what a doctor looks at in its place. */

import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describeValue } from '../errors.ts'
import { faultOf } from '../stores/file/faults.ts'
import { checkHome } from '../stores/file/place.ts'
import { file, filesystemOf } from '../stores/file.ts'
import type { Address, Connected, Examined, Finding } from './connected.ts'
import { misconfigured } from './exit-codes.ts'

export async function openFile({ url, own }: Address): Promise<Connected> {
  const [unknown] = own.keys()
  if (unknown !== undefined || url.includes('?')) throw misconfigured(`file: takes no parameters, got ${describeValue(unknown ?? url)}`)
  const path = decoded(url.slice('file:'.length)).replace(/^\/\/(localhost)?(?=\/)/, '')
  if (path !== '' && !path.startsWith('/')) {
    throw misconfigured(`Expected an absolute path like file:/var/lib/app/tenure, got ${describeValue(url)}`)
  }
  // Where nothing can be made there is nothing to look at either: two verbs must not disagree on whether there is a store.
  if (path === '') await checkHome()
  const store = file(path === '' ? {} : { dir: path })
  const { dir } = store
  return {
    store,
    where: `file:${dir}`,
    examine: () => examine(dir),
    async rehearse(use) {
      // In the same directory, so that it is the same disk with the same rights; not an election to those who list them.
      const scratch = await scratchIn(dir)
      const rehearsal = file({ dir: scratch })
      try {
        return await use(rehearsal)
      } finally {
        await rehearsal.close?.()
        await rm(scratch, { recursive: true, force: true })
      }
    },
    livenessServer: (election) => store.livenessServer(election),
    close: async () => store.close?.(),
  }
}

async function scratchIn(dir: string): Promise<string> {
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    return await mkdtemp(join(dir, '.doctor-'))
  } catch (thrown) {
    throw faultOf(thrown, dir)
  }
}

async function examine(dir: string): Promise<Examined> {
  const { kind, network } = await filesystemOf(dir)
  const findings: Finding[] = [
    network
      ? { level: 'unfit', text: `${dir} is on ${kind}, which other machines may share: name a directory on a local disk` }
      : { level: 'good', text: `${dir} is on a local filesystem (${kind})` },
  ]
  if (isInContainer())
    findings.push({ level: 'doubtful', text: 'in a container: nobody outside shares this directory, unless it is mounted' })
  if (kind === 'tmpfs') findings.push({ level: 'doubtful', text: 'on tmpfs: tokens begin anew, though never lower, after a restart' })
  return { findings, level: 'A', meaning: 'one leader within the drift bound, tokens never repeat, on this host and for this user' }
}

function isInContainer(): boolean {
  return existsSync('/.dockerenv') || existsSync('/run/.containerenv')
}

/** Percent signs undone. Throws a `Refusal` where they mean nothing. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    // It may be a password.
    throw misconfigured('Expected a % in a URL to be written as %25')
  }
}
