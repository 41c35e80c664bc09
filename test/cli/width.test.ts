/** Widths at a terminal, and tables that are aligned and cut by them. */

import { describe, expect, test } from 'vitest'
import { table } from '../../src/cli/table.ts'
import { cutEnd, cutMiddle, padded, widthOf } from '../../src/cli/width.ts'

const RED = '\u001b[31m'
const PLAIN = '\u001b[39m'

describe('widths', () => {
  test.each([
    ['outbox', 6],
    ['', 0],
    ['日本語', 6],
    ['ｶﾅ', 2],
    ['한국', 4],
    ['e\u0301te\u0301', 3],
    ['ก็', 1],
    ['🚀', 2],
    ['🇩🇪', 2],
    ['❤\ufe0f', 2],
    ['●○█░…\ufffd', 6],
    [`${RED}red${PLAIN}`, 3],
  ])('%s takes %d columns', (text, columns) => {
    expect(widthOf(text)).toBe(columns)
    expect(widthOf(padded(text, 9))).toBe(9)
  })

  test.each([
    ['outbox', 6, 'outbox'],
    ['outbox', 5, 'outb…'],
    ['outbox', 1, '…'],
    ['outbox', 0, ''],
    // Half of a wide character does not fit.
    ['日本語', 4, '日…'],
    ['e\u0301te\u0301', 2, 'e\u0301…'],
    [`a${RED}bcd${PLAIN}e`, 3, `a${RED}b…${PLAIN}`],
    [`${RED}ab${PLAIN}cd`, 3, `${RED}ab${PLAIN}…`],
  ])('the start of %j in %d columns', (text, columns, cut) => {
    expect(cutEnd(text, columns)).toBe(cut)
  })

  test.each([
    ['host-17-pid-4711', 16, 'host-17-pid-4711'],
    ['host-17-pid-4711', 9, 'host…4711'],
    ['host-17-pid-4711', 8, 'host…711'],
    ['日本語の名前', 7, '日…前'],
    ['outbox', 2, 'o…'],
  ])('both ends of %j in %d columns', (text, columns, cut) => {
    expect(cutMiddle(text, columns)).toBe(cut)
  })
})

describe('a table', () => {
  const heads = ['NAME', 'OTHER', 'TOKEN']
  const look = { heads, names: 2, bold: (text: string) => text }

  test('is aligned by what is seen', () => {
    const rows = [
      ['日本語', 'x', '1'],
      ['e\u0301te\u0301', 'a\u001bb', '2'],
      ['plain', 'y', '3'],
    ]
    const lines = table({ ...look, rows, columns: Number.POSITIVE_INFINITY })
    const starts = lines.slice(1).map((line) => widthOf(line.slice(0, line.search(/\d$/))))
    expect(new Set(starts)).toEqual(new Set([widthOf('日本語') + 2 + 'OTHER'.length + 2]))
    expect(lines.join('')).not.toContain('\u001b')
  })

  test('that is too wide: the longest names are cut first, down to what still tells something, and then the lines', () => {
    const rows = [['n'.repeat(60), 'short', '1234567890123456']]
    expect(table({ ...look, rows, columns: 50 })[1]).toBe(`${'n'.repeat(12)}…${'n'.repeat(12)}  short  1234567890123456`)
    for (const columns of [1, 10, 30, 80]) {
      for (const line of table({ ...look, rows: [...rows, ['a', 'o'.repeat(90), '1']], columns })) {
        expect(widthOf(line)).toBeLessThanOrEqual(columns)
      }
    }
    expect(table({ ...look, rows, columns: 30 })[1]).toBe('nnnn…nnn  short  123456789012…')
    expect(table({ ...look, rows: [['a', 'b', '1234567890123456']], columns: 20 })[1]).toBe('a     b      123456…')
  })
})
