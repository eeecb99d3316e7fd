import Apus
import Synchronization

/// Decodes a response's body within its reads.
struct DecodingStage: ~Copyable, BodyTransform {
    private var decoder: ContentDecoder
    private let counters: DecodingCounters

    init(_ decoder: consuming ContentDecoder, _ counters: DecodingCounters) {
        self.decoder = decoder
        self.counters = counters
    }

    mutating func bytesReceived(_ piece: Bytes) {
        decoder.bytesReceived(piece)
        counters.set(encoded: decoder.encodedBytes, decoded: decoder.decodedBytes)
    }

    mutating func nextOutput() throws(TransportError) -> Bytes? {
        do throws(ContentError) {
            let output = try decoder.nextOutput()
            counters.set(encoded: decoder.encodedBytes, decoded: decoder.decodedBytes)
            return output
        } catch {
            throw error.transportError
        }
    }

    mutating func bodyEnded() {
        decoder.contentEnded()
    }
}

/// The counts of a stage, which `Response.info` reads from any thread.
final class DecodingCounters: Sendable {
    private let encodedBytes = Atomic<UInt64>(0)
    private let decodedBytes = Atomic<UInt64>(0)

    var encoded: UInt64 { encodedBytes.load(ordering: .relaxed) }
    var decoded: UInt64 { decodedBytes.load(ordering: .relaxed) }

    func set(encoded: UInt64, decoded: UInt64) {
        encodedBytes.store(encoded, ordering: .relaxed)
        decodedBytes.store(decoded, ordering: .relaxed)
    }
}
