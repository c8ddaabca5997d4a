// Bytes in flight and caps, on a virtual clock.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Bucket, Flight, LEAST_BUDGET_BYTES } from '../../src/network/flow/flight.js'

/** Keeps a path full for a time: it takes so many bytes per second, and soundings come back a delay after. */
function fill(flight: Flight, bytesPerSecond: number, delayMs: number, forMs: number, piece = 32 * 1024) {
  const queue: { readonly bytes: number; readonly sounds: boolean }[] = []
  const returning: number[] = []
  let freeMs = 0
  let most = 0
  for (let nowMs = 0; nowMs < forMs; nowMs++) {
    while (flight.hasRoom) {
      const sounds = flight.send(piece)
      if (sounds) flight.sound(nowMs)
      queue.push({ bytes: piece, sounds })
    }
    if (nowMs > forMs / 2) most = Math.max(most, flight.inFlight)
    while (queue.length > 0 && freeMs < nowMs + 1) {
      const { bytes, sounds } = queue.shift()!
      freeMs = Math.max(freeMs, nowMs - 1) + (bytes / bytesPerSecond) * 1000
      if (sounds) returning.push(freeMs + delayMs)
    }
    while (returning.length > 0 && returning[0] <= nowMs) {
      returning.shift()
      flight.back(nowMs)
    }
  }
  return most
}

describe('Bytes in flight', () => {
  it('settle at what a path takes in 200 ms, whatever its rate', () => {
    fc.assert(
      fc.property(fc.integer({ min: 3, max: 60 }), fc.integer({ min: 0, max: 40 }), (megabytes, delayMs) => {
        const flight = new Flight()
        const rate = megabytes * 1e6
        const most = fill(flight, rate, delayMs, 6_000)
        assert(most < 0.26 * rate + 64 * 1024, `${most} in flight at ${rate} per second`)
        assert((flight.rate ?? 0) > 0.8 * rate, `${flight.rate} measured where it was ${rate}`)
      }),
      { numRuns: 20 },
    )
  })

  it('are not taken for fast when soundings come back together, held up by a busy peer', () => {
    const flight = new Flight()
    const pending: number[] = []
    let position = 0
    for (let nowMs = 0; nowMs < 8_000; nowMs++) {
      // A path of 1 MB/s that is always busy; what came back is looked at every 150 ms.
      if (flight.send(1000)) {
        flight.sound(nowMs)
        pending.push(nowMs)
      }
      position += 1000
      if (nowMs % 150 === 0)
        while (pending.length > 1) {
          pending.shift()
          flight.back(nowMs)
        }
    }
    assert((flight.rate ?? 0) < 1.4e6, `${flight.rate} measured, ${position} sent in 8 s`)
  })

  it('are never held below the least, so that a slow path is not starved', () => {
    const flight = new Flight()
    assert(fill(flight, 100_000, 10, 20_000) < LEAST_BUDGET_BYTES + 64 * 1024)
    assert.equal(flight.budget, LEAST_BUDGET_BYTES)
  })

  it('are told of though the budget shrank below what no sounding followed', () => {
    const flight = new Flight()
    fill(flight, 60e6, 0, 3_000)
    let nowMs = 3_000
    for (; flight.hasRoom; nowMs++) if (flight.send(1_000)) flight.sound(nowMs)
    // From now on hardly anything gets through.
    for (let returns = 0; returns < 2_000; returns++) {
      nowMs += 1_000
      flight.back(nowMs)
      if (flight.isStuck) flight.sound(nowMs)
      else if (flight.hasRoom && flight.send(1_000)) flight.sound(nowMs)
    }
    assert(flight.hasRoom || !flight.isStuck)
    assert(flight.inFlight <= flight.budget + 1_000)
  })

  it('wait while nothing comes back', () => {
    const flight = new Flight()
    for (let sent = 0; flight.hasRoom; sent += 1000) {
      if (flight.send(1000)) flight.sound(0)
      assert(sent <= LEAST_BUDGET_BYTES)
    }
    assert(flight.inFlight >= LEAST_BUDGET_BYTES)
  })
})

describe('A cap', () => {
  it('lets through no more than its rate and a fifth of a second of it, and no less to who always waits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100_000, max: 1e8 }),
        fc.integer({ min: 1000, max: 300_000 }),
        (rate, piece) => {
          const bucket = new Bucket(rate, 0)
          let nowMs = 0
          let taken = 0
          for (let i = 0; i < 500; i++) {
            nowMs += bucket.waitMs(nowMs)
            bucket.take(piece, nowMs)
            taken += piece
          }
          const allowed = rate * (nowMs / 1000 + 0.2) + piece
          assert(taken <= allowed + 1, `${taken} where ${allowed} are allowed`)
          assert(taken >= (rate * nowMs) / 1000 - 500 * (rate / 1000), `${taken} in ${nowMs} ms`)
        },
      ),
    )
  })
})
