import Apus
import Loopback
import Testing

/// Uploads in DATA frames longer than a TLS record, from end to end.
@Suite(.timeLimit(.minutes(5))) struct HTTP2UploadTests {
    /// More than the sockets of both ends hold while the peer reads nothing.
    private static let content = BodyPattern.bytes(12 << 20)

    /// A body of these bytes in one of its forms.
    enum Form: String, CaseIterable, Sendable, CustomTestStringConvertible {
        case atHand, inPieces, produced

        var testDescription: String { rawValue }

        func body(_ content: [UInt8]) -> RequestBody {
            // Pieces longer than a frame, of a length that no frame has.
            let pieces = stride(from: 0, to: content.count, by: 100_003).map {
                Bytes(Array(content[$0..<min($0 + 100_003, content.count)]))
            }
            return switch self {
            case .atHand: .bytes(Bytes(content))
            case .inPieces: .segments(pieces)
            case .produced: .stream { Pieces(pieces) }
            }
        }
    }

    @Test(arguments: [Way.http2PriorKnowledge, .http2OverTLS], Form.allCases)
    func aLongUploadArrivesWholeThoughThePeerStopsReadingForAWhile(
        _ way: Way, _ form: Form
    ) async throws {
        // However long the machine takes until the socket is full, nobody is dead.
        var tuning = EngineTuning.executor
        tuning.http2.pingAfter = nil
        try await withStand(
            way, tuning: tuning,
            configure: {
                $0.maxFrameSize = 1 << 20
                $0.initialStreamWindow = 16 << 20
            }
        ) { stand in
            // Its SETTINGS are known before the upload begins.
            _ = try await text(of: stand.get("/"))
            stand.server.stopReading()
            let body = form.body(Self.content)
            async let echo = stand.client.send(.post(stand.url("/echo")), body: body)
            // So that what is written is taken in part alone.
            try await fillSocket(connectedTo: stand.server.port)
            stand.server.goOnReading()
            let response = try await echo
            #expect(try await checkPattern(response.body) == Self.content.count)
            let longest = stand.server.counters.longestData
            #expect(longest > 16_384 && longest <= 65_536)
            #expect(form == .produced || longest == 65_536)
            #expect(stand.server.counters.connectionsAccepted == 1)
        }
    }
}
