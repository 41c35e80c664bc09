/** The links between pages: each leads to a file that is there, and to a heading that is in it. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], { cwd: root, encoding: 'utf8' })
  .split('\n')
  .filter((page) => page !== '' && existsSync(join(root, page)))
const read = (page: string) => readFileSync(join(root, page), 'utf8').replace(/^```[\s\S]*?^```$/gm, '')

/** As GitHub makes anchors of headings. */
const anchorsOf = (page: string) =>
  [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  )

const links = pages.flatMap((page) =>
  [...read(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link = '']) => {
    const [path = '', anchor] = link.split('#')
    return { page, link, target: path === '' ? page : normalize(join(dirname(page), path)), anchor }
  }),
)

test('there are links', () => {
  expect(links.length).toBeGreaterThan(20)
})

test('each leads to a file', () => {
  expect(links.filter(({ target }) => !existsSync(join(root, target))).map(({ page, link }) => `${page}: ${link}`)).toEqual([])
})

test('each leads to a heading', () => {
  const lost = links.filter(
    ({ target, anchor }) =>
      anchor !== undefined && target.endsWith('.md') && existsSync(join(root, target)) && !anchorsOf(target).includes(anchor),
  )
  expect(lost.map(({ page, link }) => `${page}: ${link}`)).toEqual([])
})
