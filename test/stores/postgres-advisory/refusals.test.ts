import { expect, test } from 'vitest'
import { TenureError } from '../../../src/index.ts'
import { isRefusal } from '../../../src/stores/postgres-advisory/wire.ts'

const said = (severity: string, code: string) => Object.assign(new Error('no'), { severity, code })

test.each([
  // The word for ERROR is that of the server's language; the state is the same in all.
  [true, said('ERROR', '42501')],
  [true, said('FEHLER', '23514')],
  [true, said('ERREUR', '55P03')],
  [true, said('ERROR', '57014')],
  [true, new TenureError('store-denied', 'no', { cause: said('ERROR', '42501') })],
  [false, said('FATAL', '57P01')],
  [false, said('FATAL', 'XX000')],
  [false, said('SCHWERWIEGEND', '57P05')],
  [false, said('SCHWERWIEGEND', '25P03')],
  [false, Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })],
  [false, new Error('no')],
])('%s: whether the session goes on after %o', (goesOn, thrown) => {
  expect(isRefusal(thrown)).toBe(goesOn)
})
