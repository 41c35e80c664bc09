/**
 * Notes in a file that all instances can write to, and only the primary should. Every line carries the fencing token of
 * the primary that wrote it, and who reads it ignores a line that comes after one with a larger token: an instance that
 * was frozen in the middle of a write cannot disturb its successor.
 */

import { open, readFile } from 'node:fs/promises'

export class Journal {
  #file
  #fencingToken
  #notes
  #last = Promise.resolve()

  /** Take over: from here on what an older primary still writes counts for nothing. */
  static async open(path, fencingToken) {
    const journal = new Journal()
    journal.#fencingToken = fencingToken
    journal.#file = await open(path, 'a')
    // What was torn by a crash ends here.
    // All who read it are on this host: it reaches the disk together with the first note.
    await journal.#file.appendFile(`\n${JSON.stringify({ fencingToken })}\n`)
    journal.#notes = await read(path)
    return journal
  }

  get notes() {
    return [...this.#notes.values()]
  }

  /** On the disk when it resolves. A note that comes again, because its writer was never answered, is one note. */
  append(id, text) {
    this.#last = this.#last.then(async () => {
      await this.#file.appendFile(`${JSON.stringify({ fencingToken: this.#fencingToken, id, text })}\n`)
      await this.#file.datasync()
      this.#notes.set(id, { id, text })
    })
    return this.#last
  }

  /** Ends when the writes that were begun have. */
  async close() {
    await this.#last.catch(() => {})
    await this.#file.close()
  }
}

async function read(path) {
  const notes = new Map()
  let newest = 0
  for (const line of (await readFile(path, 'utf8')).split('\n')) {
    const note = parse(line)
    if (note === undefined || note.fencingToken < newest) continue
    newest = note.fencingToken
    if (note.id !== undefined) notes.set(note.id, { id: note.id, text: note.text })
  }
  return notes
}

function parse(line) {
  try {
    return line === '' ? undefined : JSON.parse(line)
  } catch {
    // Half a line: its writer died before anybody was answered.
    return undefined
  }
}
