import Apus
import ApusContent
import Synchronization

/// A transport that answers every request alike and keeps the requests.
final class StubTransport: HTTPTransport {
    private let answer: @Sendable () -> Response
    private let kept = Mutex<[HTTPRequest]>([])

    init(_ answer: @escaping @Sendable () -> Response) {
        self.answer = answer
    }

    /// Answers with content in these codings.
    convenience init(
        _ status: HTTPResponse.Status = .ok, codings: [String], _ pieces: [Bytes],
        fields: HTTPFields = [:], trailers: HTTPFields? = nil, failure: TransportError? = nil
    ) {
        var fields = fields
        for coding in codings {
            fields.append(HTTPField(name: .contentEncoding, value: coding))
        }
        let head = HTTPResponse(status: status, headerFields: fields)
        self.init {
            Response(
                head, body: ResponseBody(pieces, trailers: trailers, failure: failure),
                info: .connected)
        }
    }

    var requests: [HTTPRequest] { kept.withLock { $0 } }

    func send(
        _ request: HTTPRequest, body: RequestBody, options: RequestOptions
    ) async throws(TransportError) -> Response {
        kept.withLock { $0.append(request) }
        return answer()
    }
}

extension ExchangeInfo {
    static var connected: ExchangeInfo {
        var info = ExchangeInfo()
        info.connectionID = 7
        return info
    }
}

extension ResponseBody {
    /// What is read before the end or an error.
    func readThrough() async -> (bytes: Bytes, error: TransportError?) {
        var bytes: [UInt8] = []
        let iterator = makeAsyncIterator()
        do throws(TransportError) {
            while let piece = try await iterator.next() { bytes += piece.array }
        } catch {
            return (Bytes(bytes), error)
        }
        return (Bytes(bytes), nil)
    }
}
