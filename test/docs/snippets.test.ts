/**
 * The code in the documentation. A block that names a file is a part of that file, which runs elsewhere; every other one
 * has to compile against the library as it is, and those of the README are run.
 */

import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, describe, expect, test } from 'vitest'
import { currentRun } from '../harness/run.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

const blocks = pages.flatMap((page) => {
  const text = readFileSync(join(root, page), 'utf8')
  return [...text.matchAll(/^```(ts|js)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(([, language = '', file, code = ''], number) => ({
    page,
    name: `${page} ${number + 1}`,
    language,
    file,
    code,
  }))
})

const folder = mkdtempSync(join(currentRun().project, 'snippets-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** What a block takes for granted, by the name it uses. */
const given: Readonly<Record<string, string>> = {
  store: "import type { LeaseStore } from 'tenure'\ndeclare const store: LeaseStore",
  work: "import type { Work } from 'tenure'\ndeclare const work: Work",
  tenure: "import type { Tenure } from 'tenure'\ndeclare const tenure: Tenure",
  candidate: "import type { Candidate } from 'tenure'\ndeclare const candidate: Candidate",
  signal: 'declare const signal: AbortSignal',
  publishNextBatch: 'declare function publishNextBatch(options: { fencingToken: number; signal: AbortSignal }): Promise<void>',
  buildReport: 'declare function buildReport(signal: AbortSignal): Promise<string>',
  connectionString: 'declare const connectionString: string',
  username: 'declare const username: string',
  password: 'declare const password: string',
  endpoints: 'declare const endpoints: string[]',
  ca: 'declare const ca: string',
  cert: 'declare const cert: string',
  key: 'declare const key: string',
  value: 'declare const value: string',
}

/** What only some pages take for granted. */
const givenOn: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'docs/stores/postgres.md': { client: "import type { ClientBase } from 'pg'\ndeclare const client: ClientBase" },
  'docs/stores/postgres-advisory.md': { client: "import type { ClientBase } from 'pg'\ndeclare const client: ClientBase" },
  'docs/stores/sqlite.md': { db: "import type { DatabaseSync as Db } from 'node:sqlite'\ndeclare const db: Db" },
  'docs/stores/redis.md': { client: "import { Redis as Client } from 'ioredis'\ndeclare const client: Client" },
  'docs/stores/etcd.md': { etcd: "import { etcd } from 'tenure/etcd'" },
}

function withGiven(page: string, code: string): string {
  const bare = code.replace(/'[^'\n]*'/g, "''")
  const uses = (name: string) => new RegExp(`(?<!\\.)\\b${name}\\b(?!:)`).test(bare)
  const makes = (name: string) => new RegExp(`\\b(const|let|function|class) ${name}\\b|import [^\\n]*\\b${name}\\b`).test(bare)
  const lines = Object.entries({ ...given, ...givenOn[page] }).flatMap(([name, line]) => (uses(name) && !makes(name) ? [line] : []))
  return `${lines.join('\n')}\n${code}\nexport {}\n`
}

describe('the code in the documentation', () => {
  const parts = blocks.filter((block) => block.file !== undefined)
  const whole = blocks.filter((block) => block.file === undefined)

  test('there is some of both kinds, on the pages that begin', () => {
    expect(parts.length).toBeGreaterThan(2)
    expect(whole.filter(({ page }) => page === 'README.md')).toHaveLength(3)
  })

  test.each(parts)('$name is a part of $file', ({ file, code }) => {
    expect(readFileSync(join(root, file ?? ''), 'utf8')).toContain(code)
  })

  test('what names no file compiles', async () => {
    const source = relative(folder, join(root, 'src'))
    writeFileSync(
      join(folder, 'undici.d.ts'),
      "declare module 'undici' {\n  export class Agent {\n    constructor(options: object)\n  }\n}\n",
    )
    for (const [index, { page, code, language }] of whole.entries()) {
      writeFileSync(join(folder, `${index}.${language}`), `// ${page}\n${withGiven(page, code)}`)
    }
    const paths = Object.fromEntries(Object.entries(exported()).map(([name, file]) => [name, [join(source, file)]]))
    const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false, allowJs: true, checkJs: false, types: ['node'], paths }
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({ extends: relative(folder, join(root, 'tsconfig.json')).replace(/^(?!\.)/, './'), compilerOptions, include: ['.'] }),
    )
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const { stdout } = await promisify(execFile)(process.execPath, [tsc, '-p', folder], { cwd: root }).catch(
      (error: { stdout: string }) => error,
    )
    const named = stdout.replace(/^\S*?(\d+)\.[jt]s(?=\()/gm, (_, index: string) => whole[Number(index)]?.name ?? index)
    expect(named).toBe('')
  }, 60_000)

  const stage = `
    import { memory } from 'tenure/memory'
    const store = memory()
    const ended = new AbortController()
    const { signal } = ended
    const said = []
    const publishNextBatch = async ({ fencingToken }) => { said.push('published ' + (fencingToken > 0)); if (said.length === 2) process.kill(process.pid, 'SIGTERM') }
    const buildReport = async (signal) => { setTimeout(() => ended.abort(), 50); return 'a report, ' + signal.aborted }
    console.log = (line) => { said.push(line); ended.abort() }
    process.once('exit', () => process.stdout.write(JSON.stringify(said)))
  `
  test.each([
    ['README.md 1', ['published true', 'published true']],
    ['README.md 2', []],
    ['README.md 3', ['nobody']],
  ])(
    '%s runs',
    async (name, expected) => {
      const code = blocks.find((block) => block.name === name)?.code ?? ''
      const outfile = join(folder, `${name.replace(/\W/g, '-')}.mjs`)
      await build({
        stdin: { contents: `${stage}\n${code.replace('store: file()', 'store')}`, loader: 'ts', resolveDir: root },
        alias: Object.fromEntries(
          Object.entries(exported())
            .map(([from, file]) => [from, join(root, 'src', file)])
            .reverse(),
        ),
        bundle: true,
        platform: 'node',
        format: 'esm',
        outfile,
        logLevel: 'error',
      })
      const { stdout } = await promisify(execFile)(process.execPath, [outfile], { timeout: 20_000 })
      expect(JSON.parse(stdout)).toEqual(expected)
    },
    30_000,
  )
})

/** The entries of the package, and the sources they are built from. */
function exported(): Record<string, string> {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, { default?: string }> }
  return Object.fromEntries(
    Object.entries(exports).flatMap(([name, { default: file }]) =>
      file === undefined ? [] : [[`tenure${name.slice(1)}`, file.replace(/^\.\/dist\//, '').replace(/\.js$/, '.ts')]],
    ),
  )
}
