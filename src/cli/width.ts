/**
 * How wide a text is at a terminal, and how to make it fit: a wide character takes two columns, an accent none. It may
 * assume that the text has no control characters but colours, see `printable`.
 */

const SEGMENTER = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
/** In parentheses, so that a split keeps them. */
const COLORS = new RegExp(`(${String.fromCharCode(27)}\\[[0-9;]*m)`, 'g')
const ELLIPSIS = '…'

/** First and last of what Unicode calls wide, apart from emoji, which a pattern knows. */
const wide: readonly (readonly [first: number, last: number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2e80, 0x303e],
  [0x3041, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97c],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6b],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18cff],
  [0x1aff0, 0x1b2fb],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
]

/** Columns that a text takes; colours take none. */
export function widthOf(text: string): number {
  return graphemesOf(text.replace(COLORS, '')).reduce((sum, one) => sum + columnsOf(one), 0)
}

/** Followed by so many spaces that it takes this many columns. */
export function padded(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)))
}

/** What of a line fits into so many columns, with an ellipsis where something does not. Its colours are all kept, so that they end. */
export function cutEnd(line: string, columns: number): string {
  if (widthOf(line) <= columns) return line
  let left = columns - 1
  const cut = line.split(COLORS).map((part, index) => {
    if (index % 2 === 1 || left < 0) return index % 2 === 1 ? part : ''
    const fits = firstOf(graphemesOf(part), left).join('')
    left = fits === part ? left - widthOf(part) : -1
    return fits === part ? part : `${fits}${ELLIPSIS}`
  })
  return columns < 1 ? '' : cut.join('')
}

/** A name that fits: what tells names apart mostly stands at their ends. */
export function cutMiddle(name: string, columns: number): string {
  if (widthOf(name) <= columns) return name
  if (columns < 3) return cutEnd(name, columns)
  const atEnd = Math.floor((columns - 1) / 2)
  const all = graphemesOf(name)
  const end = firstOf(all.toReversed(), atEnd).toReversed()
  return [...firstOf(all, columns - 1 - atEnd), ELLIPSIS, ...end].join('')
}

function firstOf(graphemes: readonly string[], columns: number): readonly string[] {
  let left = columns
  const over = graphemes.findIndex((one) => {
    left -= columnsOf(one)
    return left < 0
  })
  return over < 0 ? graphemes : graphemes.slice(0, over)
}

function graphemesOf(text: string): string[] {
  return Array.from(SEGMENTER.segment(text), ({ segment }) => segment)
}

/** A cluster is as wide as its widest part: an accent stands above, a mark of emoji makes two. */
function columnsOf(grapheme: string): number {
  if (/\p{Emoji_Presentation}|\ufe0f/u.test(grapheme)) return 2
  return Math.max(...Array.from(grapheme, (one) => columnsOfPoint(one)))
}

function columnsOfPoint(one: string): number {
  if (/^[\p{Mn}\p{Me}\p{Cf}\p{Cc}]$/u.test(one)) return 0
  const point = one.codePointAt(0) ?? 0
  return wide.some(([first, last]) => point >= first && point <= last) ? 2 : 1
}
