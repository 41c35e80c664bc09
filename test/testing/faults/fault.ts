/** What a planted fault is: narrow enough that it breaks the law that names it and, where possible, no other. */

import type { Client, Server } from '../plain-store.ts'

export interface Fault {
  readonly fault: string
  readonly law: string
  /** Laws that cannot be kept either, because they rest on the one that names the fault. */
  readonly also?: readonly string[]
  readonly plant: (server: Server, right: Client) => Partial<Client>
}
