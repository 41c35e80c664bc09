/** What the tests take from the file store: one door, so that a store with a planted fault can be put in its place. */

export { systemDisk } from '../../../src/stores/file/disk.ts'
export { systemLifelines } from '../../../src/stores/file/lifeline.ts'
export { directoryNameOf } from '../../../src/stores/file/place.ts'
export { file, fileOn } from '../../../src/stores/file.ts'
