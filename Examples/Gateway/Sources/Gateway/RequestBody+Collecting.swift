package import Apus

// Bodies that are read before they are sent.
extension RequestBody {
    /// Reads a whole body, so that it can be sent again.
    ///
    /// - Throws: `TransportError` of kind `producerFailed` when the sequence fails.
    package static func collecting<Pieces: AsyncSequence>(
        _ pieces: Pieces
    ) async throws(TransportError) -> RequestBody where Pieces.Element == Bytes {
        var segments: [Bytes] = []
        do {
            for try await piece in pieces { segments.append(piece) }
        } catch {
            var failure = TransportError(
                .producerFailed, phase: .request, message: "the client's body ended too early")
            failure.producerError = error
            throw failure
        }
        return .segments(segments)
    }
}
