/** The client package of the user, loaded only when a URL asks for it. */

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { misconfigured } from './exit-codes.ts'
import { isErrno } from './output.ts'

/**
 * Load the client package of the user: as the working directory sees it, then as tenure does. Throws a `Refusal` that
 * says what to type.
 */
export async function importClient(name: string, scheme: string, folder = process.cwd()): Promise<unknown> {
  for (const from of [pathToFileURL(join(folder, 'package.json')).href, import.meta.url]) {
    const path = resolved(name, from)
    if (path !== undefined) return import(pathToFileURL(path).href)
  }
  throw misconfigured(`${scheme}: needs the package ${name}. Type: npm i ${name}, or: npx -p tenure -p ${name} tenure ...`)
}

function resolved(name: string, from: string): string | undefined {
  try {
    return createRequire(from).resolve(name)
  } catch (thrown) {
    if (isErrno(thrown, 'MODULE_NOT_FOUND')) return undefined
    throw thrown
  }
}
