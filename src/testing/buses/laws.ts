/** What every bus keeps, as data: a name, the reason, and a check. */

import { TenureError } from '../../errors.ts'
import { MAX_MESSAGE_BYTES } from '../../failover/bus.ts'
import type { BusLab, BusNeed } from './lab.ts'

/** A promise of a bus, with its reason. */
export interface BusLaw {
  readonly name: string
  readonly why: string
  /** What the ground has to offer. */
  readonly needs?: BusNeed
  check(lab: BusLab): Promise<void>
}

/** All laws of a bus. */
export const busLaws: readonly BusLaw[] = [
  {
    name: 'what one says everybody hears, the speaker too',
    why: 'a secondary follows its primary by what it hears',
    async check(lab) {
      const [a, b, c] = [await lab.ear(), await lab.ear(), await lab.ear()]
      await lab.tell(a, [a, b, c])
      await lab.tell(c, [a, b, c])
      for (const ear of [a, b, c]) lab.check(ear.texts.length === 2, `${ear.texts.length} messages were heard, and 2 were said`)
    },
  },
  {
    name: 'a text arrives as it was sent',
    why: 'ids are written in every script, and a message may be as long as it may be',
    async check(lab) {
      const [a, b] = [await lab.ear(), await lab.ear()]
      const texts = ['{"a":"\\"\n\r\t"}', "'; DROP TABLE x; --", 'ü漢字🙂 \u2028', '0', 'x'.repeat(MAX_MESSAGE_BYTES), '漢'.repeat(1365)]
      for (const text of texts) await lab.tell(a, [a, b], text)
    },
  },
  {
    name: 'a hundred messages from three at once are heard by all',
    why: 'nothing is lost without a reason',
    async check(lab) {
      const ears = [await lab.ear(), await lab.ear(), await lab.ear()]
      const said = await Promise.all(
        Array.from({ length: 99 }, async (_, i) => {
          const text = lab.text()
          const ear = ears[i % 3]
          if (ear) await lab.say(ear, text)
          return text
        }),
      )
      await lab.until(() => ears.every((ear) => said.every((text) => ear.texts.includes(text))), 'some messages were lost')
      for (const ear of ears) lab.check(ear.texts.length === 99, 'a message was heard twice')
    },
  },
  {
    name: 'who has left hears nothing, and the others go on',
    why: 'after stop() nothing happens any more',
    async check(lab) {
      const [a, b, c] = [await lab.ear(), await lab.ear(), await lab.ear()]
      await lab.tell(a, [a, b, c])
      b.leave()
      await lab.until(() => b.end === null, 'joining did not resolve when its signal was aborted')
      const heard = b.texts.length
      await lab.tell(a, [a, c])
      await lab.settle(a)
      lab.check(b.texts.length === heard, 'a message was heard by somebody who had left')
    },
  },
  {
    name: 'one may leave and come back, and so may all',
    why: 'a failover is started again after stop()',
    async check(lab) {
      const [first, second] = [await lab.ground.open(), await lab.ground.open()]
      for (let round = 0; round < 3; round++) {
        const [a, b] = [await lab.ear(first), await lab.ear(second)]
        await lab.tell(a, [a, b])
        await lab.tell(b, [a, b])
        a.leave()
        if (round > 0) b.leave()
        await lab.until(() => a.end === null && (round === 0 || b.end === null), 'leaving did not end')
        if (round === 0) {
          // Whom it had relied on has left.
          await lab.reach(b)
          b.leave()
          await lab.until(() => b.end === null, 'leaving did not end')
        }
      }
    },
  },
  {
    name: 'members of one object are members each',
    why: 'a program may have several failovers on one bus',
    async check(lab) {
      const bus = await lab.ground.open()
      const [a, b, other] = [await lab.ear(bus), await lab.ear(bus), await lab.ear()]
      await lab.tell(a, [a, b, other])
      await lab.tell(other, [a, b, other])
      a.leave()
      await lab.until(() => a.end === null, 'leaving did not end')
      await lab.tell(other, [b, other])
      await lab.tell(b, [b, other])
      lab.check(b.end === undefined, 'one that stayed was thrown out')
    },
  },
  {
    name: 'who comes with an aborted signal does not join',
    why: 'stop() wins against everything in flight',
    async check(lab) {
      const bus = await lab.ground.open()
      const controller = new AbortController()
      controller.abort()
      const told: string[] = []
      const member = {
        name: 'nobody',
        joined: () => void told.push('joined'),
        heard: (text: string) => void told.push(text),
        closed() {},
        ignored() {},
      }
      await bus.join(member, controller.signal)
      const ear = await lab.ear()
      await lab.settle(ear)
      lab.check(told.length === 0, 'it joined all the same')
    },
  },
  {
    name: 'who has not joined cannot speak',
    why: 'what was not said must not look as if it had been',
    async check(lab) {
      const bus = await lab.ground.open()
      const thrown = await lab.rejects(bus.send(lab.text(), new AbortController().signal), 'speaking without having joined')
      lab.check(thrown instanceof TenureError && thrown.code === 'bus-unreachable', 'the error is no TenureError of code bus-unreachable')
    },
  },
  {
    name: 'a message that is too long is refused, and the bus goes on',
    why: 'some buses would cut it, others would end',
    async check(lab) {
      const [a, b] = [await lab.ear(), await lab.ear()]
      await lab.rejects(lab.say(a, 'x'.repeat(MAX_MESSAGE_BYTES + 1)), 'a message that is too long')
      await lab.rejects(lab.say(a, '漢'.repeat(1366)), 'a message with too many bytes')
      await lab.tell(a, [a, b])
      lab.check(a.texts.length === 1 && b.texts.length === 1, 'something of it was heard')
    },
  },
  {
    name: 'an aborted message rejects promptly, and the bus goes on',
    why: 'a bus that takes nothing must not hold up a handover',
    async check(lab) {
      const [a, b] = [await lab.ear(), await lab.ear()]
      const controller = new AbortController()
      controller.abort(new Error('given up'))
      await lab.rejects(a.bus.send(lab.text(), controller.signal), 'a message that was given up')
      await lab.tell(a, [a, b])
    },
  },
  {
    name: 'another channel is another bus',
    why: 'two programs may use one server',
    needs: 'apart',
    async check(lab) {
      const [here, there] = [await lab.ear(), await lab.ear(await lab.ground.apart?.())]
      await lab.tell(here, [here])
      await lab.tell(there, [there])
      await lab.settle(here)
      lab.check(there.texts.length === 1, 'a message came from the other channel')
    },
  },
  {
    name: 'garbage and what is too long disturb nobody',
    why: 'anybody may write to a shared server, a socket or a channel',
    needs: 'inject',
    async check(lab) {
      const [a, b] = [await lab.ear(), await lab.ear()]
      for (const what of ['garbage', 'oversized', 'garbage'] as const) {
        await lab.ground.inject?.(what)
        await lab.tell(a, [a, b])
        await lab.tell(b, [a, b])
      }
      const noticed = () => [a, b].some((ear) => ear.ignoredOnes.includes('oversized') && ear.texts.length + ear.ignoredOnes.length >= 9)
      await lab.until(noticed, 'it was ignored without being counted')
      for (const ear of [a, b]) {
        lab.check(ear.end === undefined && ear.joins === 1, 'somebody was thrown out')
        lab.check(!ear.texts.some((text) => text.length > MAX_MESSAGE_BYTES), 'a message that is too long was heard')
      }
    },
  },
  {
    name: 'a bus that goes down is told, and can be joined again',
    why: 'silence because of the bus is not silence of the primary',
    needs: 'fall',
    async check(lab) {
      const [a, b] = [await lab.ear(), await lab.ear()]
      await lab.tell(a, [a, b])
      await lab.ground.fall?.()
      await lab.until(() => a.end !== undefined && b.end !== undefined, 'a member was not told that the bus is down')
      for (const { end } of [a, b]) lab.check(end?.code === 'bus-unreachable', 'joining did not reject with code bus-unreachable')
      await lab.rejects(lab.say(a, lab.text()), 'speaking on a bus that is down')
      const vain = lab.enter(a.bus)
      await lab.until(() => vain.end !== undefined, 'joining a bus that is down did not end')
      lab.check(vain.end?.code === 'bus-unreachable' && vain.joins === 0, 'a bus that is down was joined')
      await lab.ground.rise?.()
      const [c, d] = [await lab.ear(a.bus), await lab.ear(b.bus)]
      await lab.tell(c, [c, d])
      await lab.tell(d, [c, d])
    },
  },
  {
    name: 'who has left is named to the others',
    why: 'a closed channel is the quickest sign that a primary has died',
    needs: 'ends',
    async check(lab) {
      const [a, b, c] = [await lab.ear(), await lab.ear(), await lab.ear()]
      await lab.tell(a, [a, b, c])
      b.leave()
      await lab.until(() => a.ends.includes(b.name) && c.ends.includes(b.name), 'nobody was told who left')
      lab.check(!a.ends.includes(c.name), 'somebody who is there was said to have left')
    },
  },
]
