import Apus
import LoopFixtures

/// A stage that passes pieces on as a test wants it, and records its calls.
struct StageStub: BodyTransform {
    /// What a test sees of a stage, also after it was released.
    final class Record: Sendable {
        private let kept = Guarded<[String]>([])

        var calls: [String] { kept.withLock { $0 } }

        func add(_ call: String) { kept.withLock { $0.append(call) } }
    }

    /// The outputs for each piece; by default the piece itself.
    var outputs: @Sendable (Bytes) -> [Bytes] = { [$0] }
    /// The outputs after the last piece.
    var tail: [Bytes] = []
    /// The number of pieces after which `bytesReceived` throws `fault`, once it has their outputs.
    var faultAfter = Int.max
    /// Whether `bodyEnded` throws `fault`, once it has the tail.
    var failsAtEnd = false
    /// The number of outputs after which `nextOutput` throws `fault`.
    var faultAfterOutputs = Int.max
    var fault = TransportError(.malformed, phase: .body, message: "corrupt")
    /// The trailers of the new body; `nil` keeps those of the received one.
    var trailers: HTTPFields?
    let record: Record

    private var waiting: [Bytes] = []
    private var received = 0
    private var delivered = 0

    init(_ record: Record = Record()) {
        self.record = record
    }

    mutating func bytesReceived(_ piece: Bytes) throws(TransportError) {
        received += 1
        record.add("piece of \(piece.count)")
        waiting += outputs(piece)
        if received >= faultAfter { throw fault }
    }

    mutating func nextOutput() throws(TransportError) -> Bytes? {
        guard !waiting.isEmpty else { return nil }
        if delivered == faultAfterOutputs { throw fault }
        delivered += 1
        return waiting.removeFirst()
    }

    mutating func bodyEnded() throws(TransportError) {
        record.add("end")
        waiting += tail
        if failsAtEnd { throw fault }
    }

    mutating func trailers(_ received: HTTPFields?) -> HTTPFields? {
        record.add("trailers")
        return trailers ?? received
    }

    mutating func bodyFailed(_ error: TransportError) {
        record.add("failed \(error.kind.name)")
        waiting += tail
    }

    mutating func bodyAbandoned() {
        record.add("abandoned")
    }
}
