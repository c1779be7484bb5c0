/** The way down the list of a destination's servers. */
import type { ServerAddress } from './addresses.ts'
import type { Endpoint } from './connect.ts'
import type { Destination } from './destination.ts'
import type { TlsPolicy } from './tls-policy.ts'

/** One destination on the network. */
export type Site = {
  readonly destination: Extract<Destination, { kind: 'inet' }>
  readonly port: number
  /** Mail to port 25 could come back to this machine. */
  readonly loopDetect: boolean
  readonly first: boolean
}

/** The servers of one destination, and how far down the list we are. */
export class Walk {
  readonly site: Site
  readonly policy: TlsPolicy
  /** Servers of the best preference. */
  readonly best: readonly ServerAddress[]
  sessions = 0
  visits = 0
  readonly #bestPreference: number
  #rest: ServerAddress[]

  constructor(list: readonly ServerAddress[], site: Site, policy: TlsPolicy) {
    this.site = site
    this.policy = policy
    this.#rest = [...list]
    this.#bestPreference = list[0]?.preference ?? 0
    this.best = list.filter(({ preference }) => preference === this.#bestPreference)
  }

  get isEmpty(): boolean {
    return this.#rest.length === 0
  }

  has(address: ServerAddress): boolean {
    return this.#rest.includes(address)
  }

  isBest({ preference }: ServerAddress): boolean {
    return preference === this.#bestPreference
  }

  next(): ServerAddress | undefined {
    const [next, ...rest] = this.#rest
    this.#rest = rest
    return next
  }

  /** No server after those visited. */
  end(): void {
    this.#rest = []
  }

  /** @returns What brings back the present state. */
  save(): () => void {
    const { sessions, visits } = this
    const rest = this.#rest
    return () => {
      this.sessions = sessions
      this.visits = visits
      this.#rest = rest
    }
  }

  forget(addresses: ReadonlySet<string>): void {
    if (addresses.size > 0) this.#rest = this.#rest.filter(({ address }) => !addresses.has(address))
  }

  endpoint({ host, address, port }: ServerAddress): Endpoint {
    return { kind: 'inet', host, address, port: port ?? this.site.port }
  }
}
