/**
 * Address lists of destinations that much mail is going to.
 *
 * In a burst the queue manager asks for connections to be reused; looking the same
 * servers up for every message would cost more than sending it. A list is believed
 * for a few seconds, and shuffled anew for each message.
 */
import { lookupAddresses, type AddressList, type LookupTarget, type LookupTools } from './address-lookup.ts'
import { orderAddresses } from './addresses.ts'

const BELIEVED_MS = 5000
const ENTRIES_MAX = 1000

type Entry = { readonly at: number; readonly found: Promise<AddressList> }

/** Looks destinations up, or remembers. */
export class LookupMemo {
  readonly #tools: LookupTools
  readonly #entries = new Map<string, Entry>()

  constructor(tools: LookupTools) {
    this.#tools = tools
  }

  /** @param inBurst Whether a list that is a few seconds old will do. */
  async find(target: LookupTarget, inBurst: boolean): Promise<AddressList> {
    if (!inBurst) return lookupAddresses(target, this.#tools)
    const key = `${target.host} ${target.service} ${target.mx} ${target.srv} ${target.loopDetect}`
    const now = performance.now()
    const known = this.#entries.get(key)
    if (known !== undefined && now - known.at < BELIEVED_MS) return this.#again(await known.found, target.srv)
    const found = lookupAddresses(target, this.#tools)
    if (this.#entries.size >= ENTRIES_MAX) this.#entries.clear()
    this.#entries.set(key, { at: now, found })
    const answer = await found
    if (answer.failure !== undefined) this.#entries.delete(key)
    return answer
  }

  /** The order of SRV records has been drawn by weight, and stays. */
  #again(found: AddressList, srv: boolean): AddressList {
    if (srv || found.list.length < 2) return found
    const { randomize, familyPreference, balance, addressLimit } = this.#tools.settings
    const options = { shuffle: randomize, family: familyPreference, balance, addressLimit, random: this.#tools.random }
    return { ...found, list: orderAddresses(found.list, options) }
  }
}
