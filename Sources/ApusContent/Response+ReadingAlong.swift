public import Apus

/// What an observer of `Response.readingAlong` gets, in order; after all but `bytes` nothing more.
public enum ReadAlong: Sendable {
    /// The next decoded bytes, at most 64 KiB.
    case bytes(Bytes)
    /// The body and its content have ended correctly.
    case end
    /// The content cannot be read further: it is corrupt, ends too early, exceeds the limits, or
    /// has an unknown coding. The body goes on.
    case stopped(ContentError)
    /// The body has failed.
    case failed(TransportError)
    /// The body was dropped or cancelled before its end.
    case abandoned
}

extension Response {
    /// The same response, whose decoded content an observer gets while the body passes as it was
    /// sent.
    ///
    /// It is for a program that passes encoded bytes through and wants to read along, as for the
    /// usage figures at the end of an event stream. Head and body are not changed, and no fault of
    /// the content reaches the reader of the body.
    ///
    /// A piece of the body is decoded when the reader asks for the next one, so that the reader
    /// does not wait for it; the last piece of a body that is dropped is decoded then. One decoder
    /// is kept, as `ContentDecoder` describes.
    ///
    /// - Parameters:
    ///   - limits: what is decoded at most; by default 64 MiB, and 200 bytes for each byte beyond
    ///     16 MiB.
    ///   - observer: is called within the reads of the body, by one thread at a time, and should
    ///     return at once.
    public func readingAlong(
        limits: ContentLimits = ContentLimits(maxBytes: 64 * 1024 * 1024),
        _ observer: @escaping @Sendable (ReadAlong) -> Void
    ) -> Response {
        let stage = ReadingAlongStage(
            ContentEncodingList(head.headerFields), limits: limits, observer)
        return replacing(body: ResponseBody(transforming: body, by: stage))
    }
}

/// Passes the pieces of a body on, and decodes each after it was taken.
struct ReadingAlongStage: ~Copyable, BodyTransform {
    /// `nil` once reading along has ended.
    private var decoder: ContentDecoder?
    /// The piece that the reader takes next.
    private var passing: Bytes?
    private let observer: @Sendable (ReadAlong) -> Void

    init(
        _ list: ContentEncodingList, limits: ContentLimits,
        _ observer: @escaping @Sendable (ReadAlong) -> Void
    ) {
        self.observer = observer
        do throws(ContentError) {
            guard let codings = list.codings else {
                throw ContentError(
                    .unavailable, coding: list.names.joined(separator: ", "),
                    message: "has no codec in this build")
            }
            decoder = try ContentDecoder(codings, limits: limits)
        } catch {
            observer(.stopped(error))
        }
    }

    mutating func bytesReceived(_ piece: Bytes) {
        decoder?.bytesReceived(piece)
        passing = piece
    }

    mutating func nextOutput() -> Bytes? {
        if let piece = passing {
            passing = nil
            return piece
        }
        readAlong()
        return nil
    }

    mutating func bodyEnded() {
        decoder?.contentEnded()
        readAlong()
        finish(.end)
    }

    mutating func bodyFailed(_ error: TransportError) {
        readAlong()
        finish(.failed(error))
    }

    mutating func bodyAbandoned() {
        readAlong()
        finish(.abandoned)
    }

    private mutating func readAlong() {
        do throws(ContentError) {
            while let output = try decoder?.nextOutput() { observer(.bytes(output)) }
        } catch {
            decoder = nil
            observer(.stopped(error))
        }
    }

    private mutating func finish(_ event: ReadAlong) {
        guard decoder != nil else { return }
        decoder = nil
        observer(event)
    }
}
