import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))

/** Blocks that open with a language and the path of a file are copies of a part of that file, which runs elsewhere. */
const snippets = pages.flatMap((page) => {
  const text = readFileSync(join(root, 'docs', page), 'utf8')
  return [...text.matchAll(/^```\w+ (\S+)\n([\s\S]*?)^```$/gm)].map(([, file = '', code = '']) => ({ page, file, code }))
})

describe('the snippets of the documentation are taken from files that run', () => {
  test('there are some', () => {
    expect(snippets.length).toBeGreaterThan(0)
  })

  test.each(snippets)('$page: $file', ({ file, code }) => {
    expect(readFileSync(join(root, file), 'utf8')).toContain(code)
  })
})
