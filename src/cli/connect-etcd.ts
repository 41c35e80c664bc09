/** `etcd://h1:2379,h2:2379` and `etcds://...` for `connect.ts`: the etcd store, and what a doctor asks of its cluster. */

import { describeValue, maskSecrets, TenureError } from '../errors.ts'
import { type EtcdOptions, etcd, examine } from '../stores/etcd.ts'
import { decoded } from './connect-file.ts'
import type { Address, Connected } from './connected.ts'
import { examinedOf } from './examined.ts'
import { misconfigured } from './exit-codes.ts'
import { truthOf } from './parameters.ts'

/** How long a doctor waits for the cluster. */
const PATIENCE_MS = 10_000
const lesser = 'tokens grow, but two may lead for a moment when the cluster changes its leader'
const meanings = { A: 'one leader within the drift bound', B: lesser, C: lesser } as const

/** Our own parameters: `tenure_prefix=name` and `tenure_interop=true`. */
export function openEtcd({ url, own }: Address): Connected {
  const options = optionsOf(url, own)
  const store = opened(options)
  return {
    store,
    where: maskSecrets(url),
    examine: async () => examinedOf(await examine(options, AbortSignal.timeout(PATIENCE_MS)), { meanings }),
    async rehearse(use) {
      // Among the elections, so that the same rights count; under a name that none can have: theirs are percent-encoded.
      const rehearsal = etcd({ ...options, prefix: `${options.prefix ?? 'tenure'}/=doctor`, interop: false })
      try {
        return await use(rehearsal)
      } finally {
        await rehearsal.close?.()
      }
    },
    close: async () => store.close?.(),
  }
}

function optionsOf(url: string, own: ReadonlyMap<string, string>): EtcdOptions {
  const [, scheme = '', login, hosts = '', rest = ''] = /^([a-z]+):\/\/(?:([^@/]*)@)?([^/?]*)(.*)$/i.exec(url) ?? []
  if (hosts === '' || !['', '/'].includes(rest)) {
    throw misconfigured(`Expected a URL like etcd://host1:2379,host2:2379, got ${describeValue(url)}`)
  }
  for (const name of own.keys()) {
    if (name !== 'tenure_prefix' && name !== 'tenure_interop') throw misconfigured(`${scheme}: has no parameter ${describeValue(name)}`)
  }
  const interop = truthOf(own, 'tenure_interop')
  const protocol = scheme.toLowerCase() === 'etcds' ? 'https' : 'http'
  const [username, password] = login === undefined ? [] : login.split(/:(.*)/s).map(decoded)
  return {
    endpoints: hosts.split(',').map((host) => `${protocol}://${/:\d+$/.test(host) ? host : `${host}:2379`}`),
    interop,
    ...(own.has('tenure_prefix') && { prefix: own.get('tenure_prefix') }),
    ...(username !== undefined && { username, password: password ?? '' }),
  }
}

/** A bad option is a bad URL here. */
function opened(options: EtcdOptions) {
  try {
    return etcd(options)
  } catch (thrown) {
    if (thrown instanceof TenureError) throw misconfigured(thrown.message)
    throw thrown
  }
}
