import ApusCore
import Testing

@testable import ApusConnection

/// The phase and the replay verdict of an error follow from how far the exchange has come.
@Suite struct ExchangeProgressTests {
    struct Sample: Sendable, CustomStringConvertible {
        let description: String
        var progress = ExchangeProgress()
        var isUploading = false
        var proof: TransportError.Replay?
        let phase: TransportError.Phase
        let replay: TransportError.Replay

        init(
            _ description: String, _ phase: TransportError.Phase, _ replay: TransportError.Replay,
            isUploading: Bool = false, proof: TransportError.Replay? = nil,
            _ change: (inout ExchangeProgress) -> Void
        ) {
            self.description = description
            self.phase = phase
            self.replay = replay
            self.isUploading = isUploading
            self.proof = proof
            change(&progress)
        }
    }

    private static let samples = [
        Sample("nothing has happened", .head, .notSent) { _ in },
        Sample("the body goes out", .send, .unknown, isUploading: true) { $0.hasStarted = true },
        Sample("the request has left", .head, .unknown) { $0.hasStarted = true },
        Sample("the peer has refused it", .head, .refusedByPeer, proof: .refusedByPeer) {
            $0.hasStarted = true
        },
        Sample("no byte of it has left", .send, .notSent, isUploading: true, proof: .notSent) {
            $0.hasStarted = true
        },
        Sample("a byte of an answer has come", .head, .responseStarted, proof: .notSent) {
            $0.hasStarted = true
            $0.hasResponse = true
        },
        Sample("the head has come", .body, .responseStarted, isUploading: true) {
            $0.hasStarted = true
            $0.hasResponse = true
            $0.hasHead = true
        },
    ]

    @Test(arguments: samples)
    func phaseAndVerdict(_ sample: Sample) {
        let error = sample.progress.error(
            .reset, "it ended", phase: nil, replay: sample.proof, isUploading: sample.isUploading)
        #expect(error.phase == sample.phase)
        #expect(error.replay == sample.replay)
        #expect(error.message == "it ended")
    }

    @Test func aPhaseThatIsKnownBetterAndTheCountsAreTaken() {
        var progress = ExchangeProgress()
        progress.bytesSent = 5
        progress.bytesReceived = 7
        progress.isReused = true
        let error = progress.error(
            .timeout, "late", phase: .total, replay: nil, isUploading: true)
        #expect(error.phase == .total)
        #expect(error.bytesSent == 5)
        #expect(error.bytesReceived == 7)
        #expect(error.isReused)
    }
}
