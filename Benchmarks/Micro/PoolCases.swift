import ApusConnection
import ApusCore
import ApusPool
import ApusSocket
import Glibc
import HTTPTypes

/// A pool that has no connection where it must have one.
private struct PoolFault: Error {}

/// What a pool, a mailbox and a timer do for an exchange.
func poolCases() -> [Case] {
    [
        Case(name: "lease", title: "lease and release a connection of a pool with 100 routes") {
            var pool = PoolMachine(.init(), http2: .init(), seed: 0)
            let now = Deadline(nanoseconds: 0)
            let routes = try (0..<100).map {
                Route(origin: try Origin(scheme: .https, host: "host-\($0).example"))
            }
            for route in routes {
                let (_, actions) = pool.lease(route, reuse: .pooled, now: now)
                for dial in actions.dial {
                    _ = pool.connectionEstablished(dial.connection, capacity: 1, now: now)
                    _ = pool.release(dial.connection, now: now)
                }
            }
            return {
                let (result, _) = pool.lease(routes[42], reuse: .pooled, now: now)
                guard case .leased(let connection, _) = result else { throw PoolFault() }
                _ = pool.release(connection, now: now)
            }
        },
        Case(name: "mailbox", title: "a head, a piece and an end through a mailbox") {
            let head = HTTPResponse(status: .ok)
            let piece = Bytes([UInt8](repeating: 0, count: 1024))
            let now = Deadline(nanoseconds: 0)
            return {
                var mailbox = ExchangeMailbox(
                    maxBytes: 65_536, creditStep: .max, start: now)
                mailbox.headReceived(head)
                _ = mailbox.takeHead()
                _ = mailbox.bodyReceived(piece, now: now)
                _ = mailbox.takeChunk(
                    hasWaited: false, now: now, instant: now)
                _ = mailbox.end(.ended(trailers: nil))
                _ = mailbox.takeChunk(
                    hasWaited: false, now: now, instant: now)
            }
        },
        Case(name: "timer", title: "set and cancel a timer among 1,000") {
            let loop = try EventLoop(name: "apus-micro")
            let far = Deadline.now().advanced(by: .seconds(3600))
            for second in 0..<1000 {
                _ = loop.schedule(at: far.advanced(by: .seconds(second))) {}
            }
            return { loop.cancel(loop.schedule(at: far.advanced(by: .seconds(500))) {}) }
        },
    ]
}
