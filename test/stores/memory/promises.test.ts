import { memory } from '../../../src/stores/memory.ts'
import { describePromises } from '../promises.ts'

const store = memory()

// Nobody but its process can reach it, so that nobody deletes a record, and nothing is restarted.
describePromises('memory', { open: () => store, tenures: 3000 })
