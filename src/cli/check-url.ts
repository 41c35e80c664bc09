/** Whether a URL means what its writer meant: a client reads an unescaped password in another way. It must never show it. */

import { misconfigured } from './exit-codes.ts'

/** Throws a `Refusal` where a client could not read the URL, or would take a part of the password for something else. */
export function checkUrl(url: string): void {
  const scheme = url.slice(0, url.indexOf(':'))
  const advice = 'percent-encode what is special in user and password: # as %23, / as %2F, ? as %3F, @ as %40, % as %25'
  if (!isPlain(url)) throw misconfigured(`${scheme}: cannot read the URL of the store; ${advice}`)
}

function isPlain(url: string): boolean {
  // A socket in a parameter, and several hosts, are no URLs to everybody.
  const plain = url.replace('@/', '@host/').replace(/(\/\/(?:[^/?#]*@)?[^/?#,@]*),[^/?#@]*(?=[/?#]|$)/, '$1')
  try {
    const { hash, pathname, search, username, password } = new URL(plain)
    decodeURIComponent(username)
    decodeURIComponent(password)
    const isCutShort = username === '' && password === '' && search.includes('@')
    return hash === '' && !plain.endsWith('#') && !pathname.includes('@') && !isCutShort
  } catch {
    // No URL, or percent signs that mean nothing.
    return false
  }
}
