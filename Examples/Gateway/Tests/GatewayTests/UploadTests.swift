import Apus
import Gateway
import GatewayFixtures
import Hummingbird
import NIOCore
import Testing

@Suite struct UploadTests {
    /// The client sends its second piece only when the answer to the first one has come back.
    @Test(.timeLimit(.minutes(1))) func anUploadAndItsAnswerPassAtTheSameTime() async throws {
        let isAnswered = Latch()
        let origin = try await ScriptedOrigin { arrival in
            let body = Hummingbird.ResponseBody { writer in
                for try await piece in arrival.request.body { try await writer.write(piece) }
                try await writer.finish(nil)
            }
            return .init(status: .ok, headers: [:], body: body)
        }
        try await withGateway(configuration(origin)) { ground in
            let upload = Apus.RequestBody.stream {
                AsyncThrowingStream<Bytes, any Error> { continuation in
                    Task {
                        continuation.yield(Bytes("first"))
                        try await isAnswered.wait()
                        continuation.yield(Bytes("second"))
                        continuation.finish()
                    }
                }
            }
            let response = try await ground.post("/v1/messages", upload)
            var text = ""
            for try await piece in response.body {
                text += String(piece)
                isAnswered.open()
            }
            #expect(text == "firstsecond")
        }
        try await origin.stop()
    }

    /// Shorter and longer than what is kept for sending again.
    @Test(.timeLimit(.minutes(1)), arguments: [0, 1, 1000, 1001, 5_000_000])
    func anUploadArrivesWhole(length: Int) async throws {
        let origin = try await ScriptedOrigin { arrival in
            var sum = 0
            for try await piece in arrival.request.body {
                sum = piece.readableBytesView.reduce(sum) { $0 &* 31 &+ Int($1) }
            }
            return .text(.ok, "\(sum)")
        }
        try await withGateway(configuration(origin) { $0.replayBytes = 1000 }) { ground in
            let bytes = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            let expected = bytes.reduce(0) { $0 &* 31 &+ Int($1) }
            let response = try await ground.post("/v1/messages", .bytes(Bytes(bytes)))
            #expect(String(try await response.body.collect(upTo: 100)) == "\(expected)")
        }
        try await origin.stop()
    }

    /// The fields of one hop stay there, and the client's own credential is not passed on.
    @Test(.timeLimit(.minutes(1))) func onlyFieldsThatMayPassDoSo() async throws {
        let origin = try await ScriptedOrigin { _ in
            .text(fields: [.connection: "x-hop", .hop: "1", .server: "origin"])
        }
        try await withGateway(configuration(origin)) { ground in
            let fields: HTTPFields = [
                .authorization: "Bearer of the client", .connection: "close, x-mine",
                .mine: "1", .apiKey: "of the client",
                .userAgent: "test",
            ]
            let response = try await ground.post("/v1/messages", fields: fields)
            let head = try #require(origin.counts.heads.last)
            #expect(head.headerFields[.authorization] == "Bearer secret-of-only")
            #expect(head.headerFields[.userAgent] == "test")
            #expect(head.headerFields[.connection] == nil)
            #expect(head.headerFields[.mine] == nil)
            #expect(head.headerFields[.apiKey] == nil)
            #expect(response.head.headerFields[.hop] == nil)
            #expect(response.head.headerFields[.server] == "origin")
        }
        try await origin.stop()
    }
}

extension HTTPField.Name {
    fileprivate static let hop = known("X-Hop")
    fileprivate static let mine = known("X-Mine")
    fileprivate static let apiKey = known("X-Api-Key")

    private static func known(_ text: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(text) else { preconditionFailure("not a name: \(text)") }
        return name
    }
}
