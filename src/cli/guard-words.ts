/** What a supervisor and its guard say to each other. Types only. */

import type { HostInstant } from './instants.ts'
import type { TreeRoot } from './tree.ts'

/** From the supervisor. The end of the channel is the last word: the supervisor is gone. */
export type GuardOrder =
  /** A tenure has begun, and this is its first tree. Comes with the listening socket of its store, to be kept open. */
  | { readonly type: 'hold'; readonly until: HostInstant; readonly root: TreeRoot }
  /** The lease was renewed: so long, and no longer, may the tree live without word. */
  | { readonly type: 'until'; readonly until: HostInstant }
  /** Another child is about to be started. */
  | { readonly type: 'tree'; readonly root: TreeRoot }
  /** The process that gives the child the terminal, and takes it back: to be ended before the child, not after it. */
  | { readonly type: 'launcher'; readonly pid: number }
  /** Its process group. */
  | { readonly type: 'lead'; readonly group: number }
  /** No process of the tree is left. */
  | { readonly type: 'gone' }
  /** Nothing is left to guard. */
  | { readonly type: 'dismiss' }

/** From the guard. Its end is the last word: it has ended the tree, or nobody guards it. */
export type GuardReport =
  /** It has begun to listen. */
  | 'ready'
  /** The answer to `gone`: none of that tree was ended by it. */
  | 'spared'
