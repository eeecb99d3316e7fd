public import Apus
import ApusSocket

// Encoded bodies of requests.
extension HTTPRequest {
    /// Encodes a body for this request, and adds the coding to its `Content-Encoding`.
    ///
    /// ```
    /// var request = try HTTPRequest.post("https://api.example.com/v1/batches")
    /// let body = try request.encode(.bytes(json), by: .zstd)
    /// let response = try await engine.send(request, body: body)
    /// ```
    ///
    /// A body in memory is encoded at once and has a length. Any other is encoded while it is sent,
    /// without a known length; a stream is made and encoded anew for each try, so it can be sent
    /// again as before. An empty body is left as it is. Trailers are kept. `Content-Length` is
    /// removed.
    ///
    /// - Parameters:
    ///   - body: the body.
    ///   - coding: `gzip`, `deflate` or `zstd`; the peer must accept it (RFC 9110, section 8.4).
    ///   - level: the effort, as `ContentEncoder` takes it; `nil` is the coding's default.
    ///   - flushesPieces: whether each piece of a stream can be decoded as soon as it has arrived,
    ///     which costs some bytes for each; `false` by default.
    /// - Throws: `TransportError` of kind `invalidRequest` when the coding has no encoder in this
    ///   build.
    public mutating func encode(
        _ body: RequestBody, by coding: ContentCoding, level: Int? = nil,
        flushesPieces: Bool = false
    ) throws(TransportError) -> RequestBody {
        guard !body.isEmpty else { return body }
        let plan = EncodingPlan(coding: coding, level: level, flushesPieces: flushesPieces)
        var encoded = try plan.encode(body)
        if let trailers = body.trailers {
            encoded = encoded.withTrailers(named: body.trailerNames, trailers)
        }
        let earlier = headerFields[values: .contentEncoding].filter { !$0.isEmpty }
        headerFields[.contentEncoding] =
            (earlier + [coding.rawValue]).joined(separator: ", ")
        headerFields[.contentLength] = nil
        return encoded
    }
}

/// How a body is encoded.
private struct EncodingPlan: Sendable {
    let coding: ContentCoding
    let level: Int?
    let flushesPieces: Bool

    func encode(_ body: RequestBody) throws(TransportError) -> RequestBody {
        do throws(ContentError) {
            var encoder = try ContentEncoder(coding, level: level)
            switch body.content {
            case .segments(let segments):
                for segment in segments { encoder.bytesReceived(segment) }
                encoder.contentEnded()
                var pieces: [Bytes] = []
                while let piece = try encoder.nextOutput() { pieces.append(piece) }
                return .segments(pieces)
            case .file(let path):
                let length = body.length
                return .stream { EncodedPieces(plan: self, next: fileReader(path, length)) }
            case .stream(let make) where body.isReplayable:
                return .stream { EncodedPieces(plan: self, next: reader(of: make())) }
            case .stream(let make):
                return .oneShot { EncodedPieces(plan: self, next: reader(of: make())) }
            }
        } catch {
            throw TransportError(
                InvalidRequest(
                    field: "content-encoding", reason: "\(error.coding) \(error.message)"))
        }
    }
}

private typealias NextPiece = () async throws -> Bytes?

private func reader(of producer: some BodyProducer) -> NextPiece {
    var iterator = producer.pieces.makeAsyncIterator()
    return { try await iterator.next(isolation: #isolation) }
}

/// The pieces of a file, whose length must be as declared.
private func fileReader(_ path: String, _ length: UInt64?) -> NextPiece {
    var reader: FileReader?
    var count: UInt64 = 0
    return {
        if reader == nil { reader = try FileReader(path: path) }
        let piece = try reader?.nextChunk()
        count += UInt64(piece?.count ?? 0)
        let isWrong = piece == nil ? length.map { $0 != count } : length.map { count > $0 }
        guard isWrong != true else {
            throw InvalidRequest(field: "body", reason: "the file is not \(length ?? 0) bytes long")
        }
        return piece
    }
}

/// The encoded pieces of a body; iterated once.
private struct EncodedPieces: AsyncSequence {
    typealias Element = Bytes

    let plan: EncodingPlan
    let next: NextPiece

    func makeAsyncIterator() -> Iterator { Iterator(plan: plan, nextPiece: next) }

    /// Encodes a piece when the one before it was taken.
    final class Iterator: AsyncIteratorProtocol {
        private let plan: EncodingPlan
        private let nextPiece: NextPiece
        private var encoder: ContentEncoder?
        private var hasEnded = false

        init(plan: EncodingPlan, nextPiece: @escaping NextPiece) {
            self.plan = plan
            self.nextPiece = nextPiece
        }

        func next() async throws -> Bytes? {
            if encoder == nil { encoder = try ContentEncoder(plan.coding, level: plan.level) }
            while true {
                if let output = try encoder?.nextOutput() { return output }
                guard !hasEnded else { return nil }
                if let piece = try await nextPiece() {
                    encoder?.bytesReceived(piece)
                    if plan.flushesPieces { encoder?.flushRequested() }
                } else {
                    hasEnded = true
                    encoder?.contentEnded()
                }
            }
        }
    }
}
