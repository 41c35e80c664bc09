/** A call that a test looks at later. Where it fails first nobody does, and the rejection must not be unhandled then. */
export function inTheAir<T extends Promise<unknown> | undefined>(call: T): T {
  call?.catch(() => {})
  return call
}
