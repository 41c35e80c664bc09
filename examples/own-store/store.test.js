/** The laws of a store, under Node's own test runner: `node --test examples/own-store/store.test.js`. */

import { describe, test } from 'node:test'
import { describeStore } from 'tenure/testing'
import { mapStore } from './store.js'

const rows = new Map()
let now = 0

describeStore('a store over a Map', {
  // A new client of the same data each time: each stands for a process of its own.
  open: () => mapStore(rows, () => now),
  // Time passes at once. Leave it out where the store has a clock of its own: then real time is waited for.
  elapse: (ms) => {
    now += ms
  },
  runner: { describe, test },
})
