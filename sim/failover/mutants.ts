/** Faults planted in failover, each to be caught by a law. */

import type { Planting } from '../bundle.ts'

const instance = 'src/failover/instance.ts'
const duty = 'src/failover/duty.ts'
const vigil = 'src/failover/vigil.ts'
const membership = 'src/failover/membership.ts'
const pulse = 'src/failover/pulse.ts'

export const mutants: readonly Planting[] = [
  { name: 'the demotion is not awaited', file: duty, find: '    await this.#demote()\n', replace: '    void this.#demote()\n' },
  { name: 'the role is not held', file: duty, find: '    await ended(tenure.signal)\n', replace: '' },
  {
    name: 'the promotion is not awaited',
    file: duty,
    find: '      await onPromote(tenure)\n',
    replace: '      void Promise.resolve(onPromote(tenure)).catch(() => {})\n',
  },
  {
    name: 'demoted before the promotion has settled',
    file: duty,
    find: '      await onPromote(tenure)\n',
    replace: '      await Promise.race([onPromote(tenure), ended(tenure.signal)])\n',
  },
  {
    name: 'promoted although the tenure has ended',
    file: duty,
    find: 'if (tenure.held) this.#succeed(tenure)',
    replace: 'this.#succeed(tenure)',
  },
  {
    name: 'a failed promotion keeps the arbiter',
    file: duty,
    find: '    void tenure.stepDown({ cooldownMs:',
    replace: '    void ({ cooldownMs:',
  },
  {
    name: 'a failed promotion is not undone',
    file: duty,
    find: '    await this.#demote()\n',
    replace: "    if (this.#reason !== 'promotion-failed') await this.#demote()\n",
  },
  { name: 'announced before it is released', file: instance, find: '    await this.candidate.stepDown({ cooldownMs: 0 })\n', replace: '' },
  {
    name: 'announced although the work has overrun',
    file: instance,
    find: '    if (this.#duty.phase !== undefined) return\n',
    replace: '',
  },
  {
    name: 'announced twice',
    file: instance,
    find: "    await this.#membership.say({ kind: 'leaving', from: this.candidate.id, fencingToken })\n",
    replace:
      "    await this.#membership.say({ kind: 'leaving', from: this.candidate.id, fencingToken })\n    await this.#membership.say({ kind: 'leaving', from: this.candidate.id, fencingToken })\n",
  },
  {
    name: 'never announced',
    file: instance,
    find: "if (reason === 'stopped' || reason === 'stepped-down') this.#farewell",
    replace: "if (reason === 'superseded') this.#farewell",
  },
  {
    name: 'stop() does not wait for the announcement',
    file: instance,
    find: '    await this.candidate.stop()\n    await this.#farewell\n',
    replace: '    await this.candidate.stop()\n',
  },
  { name: 'stop() does not leave the bus', file: instance, find: '    this.#membership.leave()\n', replace: '' },
  {
    name: 'stop() goes on watching',
    file: instance,
    find: '    if (this.#standing && !this.#stopping) this.vigil.keep()\n',
    replace: '    this.vigil.keep()\n',
  },
  {
    name: 'a primary goes on watching',
    file: instance,
    find: '    this.vigil.knows(tenure.fencingToken)\n    this.vigil.rest()\n',
    replace: '    this.vigil.knows(tenure.fencingToken)\n',
  },
  {
    name: 'a demoted primary does not watch',
    file: instance,
    find: '    if (this.#standing && !this.#stopping) this.vigil.keep()\n',
    replace: '',
  },
  { name: 'doubts ask nobody', file: instance, find: '    this.#stand()\n    this.#look()\n', replace: '    this.#stand()\n' },
  {
    name: 'disabled and standing on',
    file: instance,
    find: '    else if (!this.candidate.tenure) void this.candidate.stop()\n',
    replace: '',
  },
  { name: 'a disabled primary stands again', file: instance, find: '    if (!this.#enabled) void this.candidate.stop()\n', replace: '' },
  {
    name: 'a primary is disabled at once',
    file: instance,
    find: '    else if (!this.candidate.tenure) void this.candidate.stop()\n',
    replace: '    else void this.candidate.stop().then(() => this.candidate.start())\n',
  },
  {
    name: 'no role is told to the demoted',
    file: instance,
    find: "    if (wasPrimary) this.#events.emit('role', 'secondary'",
    replace: "    if (wasPrimary && reason !== 'expired') this.#events.emit('role', 'secondary'",
  },
  {
    name: 'older heartbeats count',
    file: vigil,
    find: 'if (message.fencingToken < this.#floor) {',
    replace: 'if (message.fencingToken < 0) {',
  },
  {
    name: 'a lie deafens for ever',
    file: vigil,
    find: 'else if (word.fencingToken < this.#floor &&',
    replace: 'else if (word.fencingToken < 0 &&',
  },
  {
    name: 'a heartbeat does not calm',
    file: vigil,
    find: '    this.#calm()\n    const { lastHeartbeat } = this\n',
    replace: '    const { lastHeartbeat } = this\n',
  },
  { name: 'silence is never noticed', file: vigil, find: "    else this.suspect('silent', primary)\n", replace: '    else this.#calm()\n' },
  {
    name: 'doubted although its farewell was not heard',
    file: vigil,
    find: "      this.suspect('announced', message.from)\n",
    replace: '',
  },
  {
    name: 'the bus is not joined again',
    file: membership,
    find: '      this.#report(thrown)\n      this.#joinLater()\n',
    replace: '      this.#report(thrown)\n',
  },
  {
    name: 'one heartbeat and no more',
    file: pulse,
    find: '    this.#cancel = clock.timer(heartbeatMs, () => this.beat(), false)\n',
    replace: '',
  },
  { name: 'heartbeats without a tenure', file: pulse, find: '    if (!tenure?.held) return\n', replace: '    if (!tenure) return\n' },
]
