/** What is to happen, by time and, at one time, in the order in which it was planned. A binary heap. */

export interface Planned {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

export class Queue {
  readonly #heap: Planned[] = []
  #planned = 0

  get size(): number {
    return this.#heap.length
  }

  /** When the next thing happens; infinity for never. */
  get nextAt(): number {
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY
  }

  plan(at: number, run: () => void): void {
    const heap = this.#heap
    const item: Planned = { at, order: this.#planned++, run }
    let i = heap.push(item) - 1
    while (i > 0) {
      const above = (i - 1) >> 1
      const parent = heap[above]
      if (!parent || before(parent, item)) break
      heap[i] = parent
      i = above
    }
    heap[i] = item
  }

  next(): Planned | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (!first || !last || heap.length === 0) return first
    let i = 0
    for (;;) {
      let below = 2 * i + 1
      let child = heap[below]
      if (!child) break
      const right = heap[below + 1]
      if (right && before(right, child)) {
        child = right
        below += 1
      }
      if (before(last, child)) break
      heap[i] = child
      i = below
    }
    heap[i] = last
    return first
  }
}

function before(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
