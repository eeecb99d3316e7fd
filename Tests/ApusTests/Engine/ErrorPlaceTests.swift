import Apus
import Loopback
import Testing

/// An error on an established connection can be matched with the events of it.
@Suite(.timeLimit(.minutes(5))) struct ErrorPlaceTests {
    /// What fails once a connection is there.
    enum Failure: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case truncated, headTimeout, tooLarge, cancelled

        var testDescription: String { rawValue }
    }

    @Test(arguments: [ProtocolVariant.http1, .http2PriorKnowledge], Failure.allCases)
    func anErrorNamesItsConnectionItsPeerAndItsExchange(
        _ variant: ProtocolVariant, _ failure: Failure
    ) async throws {
        let server = try LoopbackServer(options(variant))
        defer { server.stop() }
        let chronicle = Chronicle()
        let engine = try TransportEngine(relaxedTuning, observer: chronicle)
        let client = ExecutorClient(engine, versions: variant.versions)
        let url = "http://127.0.0.1:\(server.port)"
        // So that neither is the first.
        for _ in 0..<2 {
            var fresh = RequestOptions()
            fresh.reuse = .fresh
            _ = try await client.send(.get(url + "/"), options: fresh).body.collect(upTo: 100)
        }
        let error = await transportError { try await self.fail(failure, client, url) }
        let kind = failure == .headTimeout ? "timeout" : failure.rawValue
        // HTTP/2 has a code for it.
        #expect(failure == .truncated || error?.kind.name == kind)
        #expect(error?.route?.origin.port == server.port)
        #expect(error?.remoteAddress == "127.0.0.1:\(server.port)")
        let starts = chronicle.events.compactMap { event -> (UInt64, UInt64)? in
            if case .exchangeStarted(let exchange, let connection, _) = event {
                return (exchange, connection)
            }
            return nil
        }
        let last = try #require(starts.last)
        #expect(error?.exchangeID == last.0)
        #expect(error?.connectionID == last.1)
        #expect(error.map { "\($0)" }?.contains("(connection \(last.1) to 127.0.0.1:") == true)
        await engine.shutdown()
    }

    @Test(arguments: DuplexWay.allCases.filter { !$0.isTLS })
    func soDoesAnErrorOfADuplex(_ variant: DuplexWay) async throws {
        try await withFaultStand([variant.agreement() + [.reset]]) { stand in
            let duplex = try await stand.duplex(variant)
            let error = await transportError {
                while try await duplex.read() != nil {}
            }
            #expect(error?.kind == .reset)
            #expect(error?.connectionID == 1)
            #expect(error?.exchangeID == 1)
            #expect(error?.remoteAddress == "127.0.0.1:\(stand.peer.port)")
        }
    }

    @Test func withoutAConnectionThereIsAnExchangeAlone() async throws {
        let refusing = try RefusingPort()
        let engine = try TransportEngine(relaxedTuning, observer: Chronicle())
        let error = await transportError {
            _ = try await engine.send(.get("http://127.0.0.1:\(refusing.port)/"))
        }
        #expect(error?.kind.name == "connect")
        #expect(error?.exchangeID == 1)
        #expect(error?.remoteAddress == nil)
        #expect(error?.attempts.count == 1)
        await engine.shutdown()
    }

    /// A URL at fault and a peer that is not there: one catch that knows its type.
    @Test func oneTypedCatchServesForTheURLAndTheRequest() async throws {
        let refusing = try RefusingPort()
        let engine = try TransportEngine(relaxedTuning)
        var kinds: [String] = []
        for url in ["no url", "http://127.0.0.1:\(refusing.port)/"] {
            do throws(TransportError) {
                _ = try await engine.send(.get(url))
            } catch {
                kinds.append(error.kind.name)
                #expect(error.invalidRequest?.field == (url == "no url" ? "url" : nil))
            }
        }
        #expect(kinds == ["invalidRequest", "connect"])
        await engine.shutdown()
    }

    private func options(_ variant: ProtocolVariant) -> LoopbackServer.Options {
        var options = LoopbackServer.Options()
        options.http2PriorKnowledge = variant.isHTTP2
        return options
    }

    private func fail(_ failure: Failure, _ client: ExecutorClient, _ url: String) async throws {
        switch failure {
        case .truncated:
            _ = try await client.send(.get(url + "/truncate/1000")).body.collect(upTo: 10_000)
        case .headTimeout:
            var options = RequestOptions()
            options.headTimeout = .milliseconds(20)
            _ = try await client.send(.get(url + "/hang"), options: options)
        case .tooLarge:
            _ = try await client.send(.get(url + "/bytes/1000")).body.collect(upTo: 10)
        case .cancelled:
            let (arrivals, arrival) = AsyncStream<Void>.makeStream()
            let task = Task {
                let response = try await client.send(.get(url + "/endless"))
                for try await _ in response.body { arrival.yield() }
            }
            for await _ in arrivals { break }
            task.cancel()
            try await task.value
        }
    }
}
