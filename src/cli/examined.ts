/** What a store tells of its server, in the words of `doctor`. */

import type { Examination } from '../stores/shared/examination.ts'
import type { Examined, Finding } from './connected.ts'

const levels = { error: 'unfit', warning: 'doubtful', info: 'good' } as const

interface Manner {
  /** What each level means with this store. */
  readonly meanings: Readonly<Record<Examination['level'], string>>
  /** Whoever forces a store has been told what it cannot keep. */
  readonly isForced?: boolean | undefined
}

export function examinedOf({ level, facts, findings }: Examination, { meanings, isForced = false }: Manner): Examined {
  const told = facts.map(({ name, value }) => `${name} ${value}`).join(', ')
  return {
    findings: [
      { level: 'good', text: told },
      ...findings.map(({ severity, message, advice }): Finding => {
        const found = isForced && severity === 'error' ? 'doubtful' : levels[severity]
        return { level: found, text: `${message}: ${advice}`, subject: message }
      }),
    ],
    level,
    meaning: meanings[level],
  }
}

/**
 * All that was found, and what the level is worth beside it. A level is what the store can keep once nothing is unfit: until
 * then it must not read as if it were kept.
 */
export function withLevel({ level, meaning, ...own }: Examined, findings: readonly Finding[] = own.findings): readonly Finding[] {
  const isUnfit = findings.some((finding) => finding.level === 'unfit')
  if (isUnfit && level !== 'C') {
    return [...findings, { level: 'unfit', text: `no level like this; level ${level} once what is unfit is mended: ${meaning}` }]
  }
  return [...findings, { level: isUnfit ? 'unfit' : level === 'A' ? 'good' : 'doubtful', text: `level ${level}: ${meaning}` }]
}
