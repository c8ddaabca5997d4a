// Bulk transfers, both ways: what this peer holds it gives, and what it takes it gives, too, as it comes.
import { Donor, type DonorParts } from './donor.js'
import { Fetcher, type FetcherParts } from './fetch.js'
import { Offers } from './offers.js'

export type BulkParts = Omit<DonorParts & FetcherParts, 'offers' | 'taken'>

export class Bulk {
  readonly offers = new Offers()
  readonly donor: Donor
  readonly fetcher: Fetcher

  constructor(parts: BulkParts) {
    const { offers } = this
    const fetcher = new Fetcher({ ...parts, offers })
    this.fetcher = fetcher
    this.donor = new Donor({ ...parts, offers, taken: (content, by) => fetcher.taken(content, by) })
  }
}
