import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, test } from 'vitest'
import { MAX_MESSAGE_BYTES, unixSocketBus } from '../../../src/failover.ts'
import { describeBus } from '../../../src/testing/index.ts'

const root = mkdtempSync(join(tmpdir(), 'tenure-bus-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let grounds = 0

function write(path: string, ...lines: string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => socket.end(lines.join('\n')))
    socket.on('close', () => resolve())
    socket.on('error', reject)
    socket.resume()
  })
}

describeBus('unix-socket', {
  runner: { describe, test },
  ground() {
    const dir = join(root, `${++grounds}`)
    const path = join(dir, 'bus.sock')
    return {
      open: () => unixSocketBus({ path }),
      apart: () => unixSocketBus({ path: join(dir, 'other.sock') }),
      inject: (what) =>
        what === 'garbage'
          ? write(path, '\u0000\u0001', '{', '[]', '{"text":5}', '{"names":"x"}', '', 'null\n')
          : write(path, 'x'.repeat(1e6), `{"text":"${'x'.repeat(MAX_MESSAGE_BYTES + 1)}"}`, ''),
      // Where the directory should be is a file: nobody can listen, and nobody is there.
      async fall() {
        rmSync(dir, { recursive: true })
        writeFileSync(dir, '')
      },
      rise: async () => rmSync(dir),
      tellsEnds: true,
    }
  },
})
