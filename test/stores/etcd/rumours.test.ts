import { expect, test } from 'vitest'
import { Rumours } from '../../../src/stores/etcd/rumours.ts'

test('the last that was heard of an election counts', () => {
  const rumours = new Rumours()
  expect(rumours.about('a')).toBeUndefined()
  rumours.taken('a')
  expect(rumours.about('a')).toBe('taken')
  rumours.vacant('a')
  expect(rumours.about('a')).toBe('vacant')
  rumours.forget('a')
  expect(rumours.about('a')).toBeUndefined()
})

test('of many elections the one that was heard of longest ago is forgotten', () => {
  const rumours = new Rumours(3)
  for (const election of ['a', 'b', 'c', 'a', 'd']) rumours.taken(election)
  expect(['a', 'b', 'c', 'd'].filter((election) => rumours.about(election))).toEqual(['a', 'c', 'd'])
})
