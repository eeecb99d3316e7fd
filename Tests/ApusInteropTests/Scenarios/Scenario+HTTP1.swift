import Apus
import Testing

// What HTTP/1.1 servers do beside serving files: interim and early answers, old versions, trailers.
extension Scenario {
    /// The body waits for a 100, which comes, and the connection is kept.
    static let continued = Scenario(
        "POST with Expect: 100-continue", tune: { $0.http1.continueTimeout = .seconds(120) }
    ) { talk in
        for count in [5, 1 << 20] {
            let response = try await talk.send(
                .post, "/sink", fields: [.expect: "100-continue"],
                body: .segments(ServedFiles.pattern(count).map { Bytes($0) }))
            #expect(response.status == .ok)
            // Caddy passes on the 100 of its upstream origin besides its own.
            let interim = response.informational.map(\.status.code)
            #expect(!interim.isEmpty && interim.allSatisfy { $0 == 100 })
            #expect(String(try await response.body.collect(upTo: 100)) == "\(count)\n")
        }
    }

    /// A 413 that comes while 16 MiB go out, so many times.
    static func early(_ rounds: Int) -> Scenario {
        Scenario("an early 413 for 16 MiB, \(rounds) times of \(rounds)") { talk in
            let size = 16 << 20
            let pieces = ServedFiles.pattern(size).map { Bytes($0) }
            for round in 0..<rounds {
                let response = try await talk.send(.post, "/limited", body: .segments(pieces))
                #expect(response.status.code == 413, "round \(round)")
                _ = try await Digested(response.body)
                #expect(response.info.bytesSent <= UInt64(size))
            }
            #expect(try await talk.expect(talk.files.small).status == .ok)
        }
    }

    /// An answer that takes its time, beside others that do not.
    static let slow = Scenario("slow answers") { talk in
        try await withThrowingTaskGroup(of: Void.self) { group in
            for milliseconds in [300, 200, 100, 1] {
                group.addTask {
                    let response = try await talk.get("/delay/\(milliseconds)")
                    #expect(String(try await response.body.collect(upTo: 100)) == "hello\n")
                }
            }
            try await group.waitForAll()
        }
        var options = RequestOptions()
        options.headTimeout = .milliseconds(50)
        let error = await #expect(throws: TransportError.self) {
            _ = try await talk.get("/delay/5000", options: options)
        }
        #expect(error?.kind == .timeout)
    }

    /// A body of unknown length followed by a trailer; both routes have one, of either name.
    static let trailed = Scenario("trailers after a chunked body") { talk in
        let response = try await talk.get("/trailers")
        #expect(try await Digested(response.body) == Digested(ServedFiles.pattern(1000)))
        let name = try #require(HTTPField.Name("x-count"))
        #expect(response.body.trailers?[name] == "1000")
        #expect(try await talk.expect(talk.files.small).info.isReused)
    }

    /// As `unknownLength`, for servers that learn the length of what is short.
    static let longUnknownLength = Scenario("a long body without a length") { talk in
        let response = try await talk.get("/chunked/300000?chunk=1000")
        #expect(response.head.headerFields[.contentLength] == nil)
        #expect(try await Digested(response.body) == Digested(ServedFiles.pattern(300_000)))
    }

    /// Connections of HTTP/1.0 end with their answer, and no request is lost by that.
    static func old(_ path: @escaping @Sendable (String) -> String) -> Scenario {
        Scenario("HTTP/1.0") { talk in
            var connections: Set<UInt64> = []
            for _ in 0..<20 {
                let response = try await talk.get(path(talk.files.small.path))
                #expect(try await Digested(response.body).count == talk.files.small.size)
                connections.insert(response.info.connectionID)
            }
            #expect(connections.count == 20)
            #expect(talk.engine.snapshot().counters.closes(.connectionClose) == 20)
        }
    }
}
