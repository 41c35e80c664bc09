/** The types of `build.mjs`, for tests. */

/** A text in a source that is replaced, to plant a fault that a test must catch. */
export interface Fault {
  readonly file: string
  readonly from: string
  readonly to: string
}

export function bundleCli(outdir: string, faults?: readonly Fault[]): Promise<void>
