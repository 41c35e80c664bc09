/**
 * One process that stands for an election by one elector, and acts for as long as that elector says that it leads. Its
 * parent says start and stop, and is told the instant of every action. It treats all electors alike, and knows none.
 *
 * An elector is a module with `stand({ port, election, ttlMs, directory, elected, ... })`, which resolves to
 * `{ leads(), stop() }`: `leads()` is what its user would ask before an action, `elected()` where its work would begin.
 */

const [name, plan] = process.argv.slice(2)
const { stand } = await import(`./electors/${name}.mjs`)
const now = () => Number(process.hrtime.bigint()) / 1e6

let elector
let term = 0
let acting = false
let deeds = []

function act() {
  // The instant comes first: a process can be frozen between the two, and an answer that came later must not excuse it.
  const at = now()
  const leads = elector?.leads() ?? false
  if (leads && !acting) {
    tell()
    term += 1
    process.send?.({ began: at, term })
  }
  if (leads) deeds.push(at)
  acting = leads
}

function tell() {
  if (deeds.length > 0) process.send?.({ deeds, term })
  deeds = []
}

function elected() {
  acting = false
  act()
}

process.on('disconnect', () => process.exit())
process.on('message', async (what) => {
  if (what === 'stop') {
    process.send?.({ stopping: now() })
    await elector?.stop()
    act()
    elector = undefined
    process.send?.({ stopped: now() })
    return
  }
  elector = await stand({ ...JSON.parse(plan), elected })
  act()
  process.send?.({ stands: now() })
})
setInterval(act, 5)
setInterval(tell, 100)
process.send?.({ ready: now() })
