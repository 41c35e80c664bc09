/** What the rehearsals of a doctor share. It must never hide why a store refuses to serve. */

/** Use something, and clean up. Where the use failed, why it did is what matters; the same may be true of the cleaning. */
export async function cleaned<T>(use: () => Promise<T>, clean: () => Promise<unknown>): Promise<T> {
  let result: T
  try {
    result = await use()
  } catch (thrown) {
    await clean().catch(() => {})
    throw thrown
  }
  await clean()
  return result
}
