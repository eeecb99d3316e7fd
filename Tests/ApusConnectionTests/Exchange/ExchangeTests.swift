import ApusConnection
import ApusCore
import ApusSocket
import HTTPTypes
import LoopFixtures
import Testing

/// What a cancel from another thread finds while a connection begins an exchange.
@Suite struct ExchangeTests {
    @Test func aCancelBeforeTheRequestLeavesKeepsItFromLeaving() async throws {
        try await withExchange { exchange, connection in
            #expect(exchange.begin(on: connection, isReused: false))
            exchange.cancel()
            #expect(!exchange.requestStarted())
            #expect(await verdict(of: exchange) == .notSent)
        }
    }

    @Test func aCancelAfterThatLeavesADoubt() async throws {
        try await withExchange { exchange, connection in
            #expect(exchange.begin(on: connection, isReused: false))
            #expect(exchange.requestStarted())
            exchange.cancel()
            #expect(await verdict(of: exchange) == .unknown)
        }
    }

    @Test func aCancelBeforeItBeginsKeepsItFromBeginning() async throws {
        try await withExchange { exchange, connection in
            exchange.cancel()
            #expect(!exchange.begin(on: connection, isReused: false))
            #expect(await verdict(of: exchange) == .notSent)
        }
    }

    private func verdict(of exchange: Exchange) async -> TransportError.Replay? {
        do throws(TransportError) {
            _ = try await exchange.nextHead()
            return nil
        } catch {
            return error.isCancelled ? error.replay : nil
        }
    }

    private func withExchange(
        _ body: (Exchange, any LiveConnection) async throws -> Void
    ) async throws {
        try await withLoop { loop in
            let request = try OutgoingRequest(
                HTTPRequest(method: .get, scheme: "http", authority: "a.test", path: "/"),
                body: .empty, options: RequestOptions(), tuning: .default, isRaw: false
            ) { (_, make) throws(InvalidRequest) in try make() }
            let connection = IdleConnection(on: loop)
            let exchange = Exchange(
                request, over: request.route, on: connection, started: .now(), leased: .now(),
                story: nil)
            try await body(exchange, connection)
        }
    }
}

/// A connection that does nothing.
private final class IdleConnection: LiveConnection {
    let id = ConnectionID(slot: 0, number: 1)
    let facts = ConnectionFacts(protocolName: "http/1.1", remoteAddress: "127.0.0.1:1", tls: nil)
    let loop: EventLoop
    let isHTTP2 = false
    let creditStep = Int.max
    let capacity = 1

    init(on loop: EventLoop) {
        self.loop = loop
    }

    func start(_ exchange: Exchange, isReused: Bool) {}
    func cancel(_ exchange: Exchange, reason: CloseReason) {}
    func consumed(_ count: Int, by exchange: Exchange) {}
    func uploadReady(_ exchange: Exchange) {}
    func close(_ reason: CloseReason) {}
    func addressRemoved(_ removed: RemovedAddress) {}
}
