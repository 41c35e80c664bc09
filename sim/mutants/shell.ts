/** Faults planted in the shell: engine, envoy, watch, events, candidate, tenure. */

import type { Mutant } from './list.ts'

const shell = 'src/shell.ts'
const engine = 'src/engine.ts'
const envoy = 'src/envoy.ts'

export const shellMutants: readonly Mutant[] = [
  { name: 'news jumps the queue', file: engine, find: 'this.#queue.push(input)', replace: 'this.#queue.unshift(input)' },
  { name: 'news recurses', file: engine, find: '    if (this.#stepping) return\n', replace: '' },
  {
    name: 'late answers are dropped',
    file: envoy,
    find: '        this.#forget(call)\n        this.#listener.answered(answer)\n',
    replace: '        if (this.#forget(call)) this.#listener.answered(answer)\n',
  },
  {
    name: 'a late timer gives its verdict at once',
    file: engine,
    find: 'if (clock.mono() - at > LATE_MS) clock.afterPending(',
    replace: 'if (clock.mono() - at > LATE_MS && at < 0) clock.afterPending(',
  },
  {
    name: 'a lost watch is not armed anew',
    file: 'src/watch.ts',
    find: '      this.#live = undefined\n      controller.abort()\n',
    replace: '      controller.abort()\n',
  },
  {
    name: 'the end of a watch is not noticed',
    file: 'src/watch.ts',
    find: 'controller.signal).then(lost, lost)',
    replace: 'controller.signal).catch(() => lost)',
  },
  { name: 'the signal of an ended tenure does not abort', file: shell, find: '    Tenure.end(reign.tenure, why)\n', replace: '' },
  {
    name: 'stop() does not wait for the release',
    file: engine,
    find: "return state.role === 'idle' || (isOverrun(state)",
    replace: "return state.role === 'idle' || (state.role === 'draining' && !state.working && state.next === 'idle') || (isOverrun(state)",
  },
  {
    name: 'one holder for all attempts',
    file: envoy,
    find: 'call.attempt}`\n',
    replace: 'call.attempt * 0}`\n',
  },
  {
    name: 'a process that was started again is the same holder',
    file: envoy,
    find: 'this.#instance = settings.clock.id()',
    replace: 'this.#instance = settings.id',
  },
  {
    name: 'a listener that throws ends everything',
    file: 'src/events.ts',
    find: '    } catch (thrown) {\n      this.#owner.listenerFailed(event, thrown)\n',
    replace: '    } catch (thrown) {\n      throw thrown\n',
  },
  {
    name: 'a listener that rejects is not caught',
    file: 'src/events.ts',
    find: 'if (isThenable(result)) result.then(undefined, (thrown: unknown) => this.#owner.listenerFailed(event, thrown))',
    replace: 'void result',
  },
  {
    name: 'work that throws at once ends everything',
    file: shell,
    find: 'const run = async () => work(reign.tenure)',
    replace: 'const run = () => Promise.resolve(work(reign.tenure))',
  },
  {
    name: 'work starts without a look at the clock',
    file: shell,
    find: '!work || !this.#leads(reign)) return',
    replace: '!work) return',
  },
  {
    name: 'isLeader is what was last heard',
    file: shell,
    find: 'return this.#reign !== undefined && this.#leads(this.#reign)',
    replace: "return this.#reign !== undefined && this.#engine.state.role === 'leading'",
  },
  { name: 'a second stop() leaves again', file: shell, find: '    if (this.#stopping) return this.#stopping\n', replace: '' },
  {
    name: 'a stop() in the middle of stop() leaves again',
    file: shell,
    find: '    this.#stopping = stopping\n    void this.#leave().then(() => {\n',
    replace: '    const leaving = this.#leave()\n    this.#stopping = stopping\n    void leaving.then(() => {\n',
  },
  { name: 'start() does not wait for the stop', file: shell, find: '    if (this.#stopping) await this.#stopping\n', replace: '' },
  { name: 'stop() after start() does not win', file: shell, find: 'if (this.#stops !== stops || ', replace: 'if (stops < 0 || ' },
  {
    name: 'a listener stays on the signal',
    file: 'src/standing.ts',
    find: "    this.#signal?.removeEventListener('abort', this)\n",
    replace: '',
  },
  { name: 'the watch outlives stop()', file: shell, find: '    this.#watch.stop()\n', replace: '' },
  { name: 'a timer outlives stop()', file: engine, find: '    if (isOut(this.#state)) return\n', replace: '' },
  {
    name: 'a release aside has no bound',
    file: envoy,
    find: 'const cancel = awaited ? undefined : clock.timer(',
    replace: 'const cancel = awaited || call.number > 0 ? undefined : clock.timer(',
  },
  {
    name: 'trouble is told after stop()',
    file: shell,
    find: "if (this.#standing) this.#events.emit('trouble', error)",
    replace: "this.#events.emit('trouble', error)",
  },
  {
    name: 'a new leader is told after stop()',
    file: shell,
    find: "if (this.#standing) this.#events.emit('leader', this.leader)",
    replace: "this.#events.emit('leader', this.leader)",
  },
  {
    name: 'others are told before the elected',
    file: shell,
    find: "    this.#events.emit('elected', tenure)\n    this.#sign('leading', 'elected', tenure, vacancy)\n    if (news) this.#tellLeader()\n",
    replace:
      "    if (news) this.#tellLeader()\n    this.#events.emit('elected', tenure)\n    this.#sign('leading', 'elected', tenure, vacancy)\n",
  },
  { name: 'a call that was given up is not aborted', file: envoy, find: '    waiting?.controller.abort(error)\n', replace: '' },
  {
    name: 'start() is not told of the first answer',
    file: 'src/standing.ts',
    find: '    if (this.refusal) return\n    this.#promise?.resolve()\n',
    replace: '    if (this.refusal || this.#promise) return\n',
  },
  {
    name: 'the end of the work is not told',
    file: shell,
    find: "        this.#workFailures = 0\n        this.#engine.tell({ type: 'settled', attempt: reign.attempt })\n",
    replace: '        this.#workFailures = 0\n',
  },
  {
    name: 'what remains is taken for a full ttl',
    file: envoy,
    find: 'grantedMs: lease.remainingMs }',
    replace: 'grantedMs: this.#settings.timing.ttlMs }',
  },
  {
    name: 'what remains is rounded up',
    file: envoy,
    find: 'grantedMs: lease.remainingMs }',
    replace: 'grantedMs: Math.ceil(lease.remainingMs / 10) * 10 }',
  },
  {
    name: 'a read is taken for a bid that was won',
    file: envoy,
    find: "if (call.verb === 'acquire') return { type: 'won'",
    replace: "if (call.verb) return { type: 'won'",
  },
  {
    name: 'the lease of somebody else is taken for ours',
    file: envoy,
    find: 'if (lease?.holder === holder) {',
    replace: 'if (lease?.candidate === id || lease?.holder === holder) {',
    also: [
      {
        find: '#judge(call: Call, holder: string, answer: Lease | undefined): Input {\n',
        replace: '#judge(call: Call, holder: string, answer: Lease | undefined): Input {\n    const { id } = this.#settings\n',
      },
    ],
  },
  {
    name: 'timers are not set again when the state changes',
    file: engine,
    find: 'if (at === this.#timerAt && this.#cancelTimer) return',
    replace: 'if (this.#cancelTimer) return',
  },
  {
    name: 'what is known of the leader is never forgotten',
    file: shell,
    find: 'const news = this.#knowledge.learn(undefined, clock.mono())\n',
    replace: 'const news = false\n',
  },
  {
    name: 'an observer asks in a circle while nobody holds the election',
    file: 'src/observer.ts',
    find: 'lookAgainMs(retryMs, seen && lease?.remainingMs,',
    replace: 'lookAgainMs(retryMs, lease?.remainingMs,',
  },
  {
    name: 'an observer gives up at the first error',
    file: 'src/observer.ts',
    find: "if (!told && error.code !== 'store-unreachable') throw error",
    replace: 'throw error',
  },
  { name: 'the watch outlives the observer', file: 'src/observer.ts', find: '      this.#watch.stop()\n', replace: '' },
  { name: 'a timer outlives a look', file: 'src/observer.ts', find: '    } finally {\n      cancel()\n', replace: '    } finally {\n' },
  {
    name: 'an observer does not tell that nobody leads',
    file: 'src/observer.ts',
    find: 'news = this.#knowledge.learn(seen, askedAt) || !told',
    replace: 'news = (this.#knowledge.learn(seen, askedAt) && lease !== undefined) || !told',
  },
  {
    name: 'an answer that was overtaken is news',
    file: 'src/knowledge.ts',
    find: 'if (askedAt < this.#askedAt || (askedAt < this.#since && this.#isOlder(seen))) return false',
    replace: 'if (askedAt < this.#since && askedAt > this.#askedAt && this.#isOlder(seen)) return false',
  },
  {
    name: 'the later question has the last word, whatever it was told',
    file: 'src/knowledge.ts',
    find: ' || (askedAt < this.#since && this.#isOlder(seen))',
    replace: ' || this.#isOlder(undefined)',
  },
  {
    name: 'an ended tenure has a say in the next',
    file: shell,
    find: 'if (this.#reign?.tenure === tenure) await',
    replace: 'if (this.#reign?.tenure || tenure) await',
  },
  {
    name: 'a renewal is told of a tenure that is over',
    file: shell,
    find: ' || reign.tenure.remainingMs() <= 0) return',
    replace: ') return',
  },
  {
    name: 'the signal of a tenure does not ask the clock',
    file: 'src/tenure.ts',
    find: '  Object.defineProperties(signal, { aborted: { get }, throwIfAborted: { value: throwIfAborted } })\n',
    replace: '',
  },
  {
    name: 'held is what was last heard',
    file: 'src/tenure.ts',
    find: 'return this.#end === undefined && ',
    replace: 'return this.#end === undefined || ',
  },
  {
    name: 'lead() takes what was returned too late',
    file: 'src/lead.ts',
    find: '      if (!tenure.held) return\n',
    replace: '',
  },
  {
    name: 'lead() stays after its work is done',
    file: 'src/lead.ts',
    find: '      void candidate.complete()\n',
    replace: '',
  },
  {
    name: 'work that fails is begun again at once',
    file: shell,
    find: 'const cooldownMs = backoffMs(',
    replace: 'const cooldownMs = 0 * backoffMs(',
  },
  {
    name: 'the fence admits what is stale',
    file: 'src/fence.ts',
    find: 'if (fencingToken < this.#largest) return false',
    replace: '',
  },
  {
    name: 'the fence forgets the largest token',
    file: 'src/fence.ts',
    find: 'this.#largest = fencingToken',
    replace: 'if (this.#largest === 0) this.#largest = fencingToken',
  },
  {
    name: 'the fence refuses a token that it has seen',
    file: 'src/fence.ts',
    find: 'if (fencingToken < this.#largest) return false',
    replace: 'if (fencingToken <= this.#largest) return false',
  },
]
