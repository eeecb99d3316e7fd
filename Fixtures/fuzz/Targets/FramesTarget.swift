import ApusCore
import ApusHTTP2
import HTTPTypes

/// What an HTTP/2 peer says to three open streams, whole, byte by byte and in pieces: each stream's
/// story must be the same.
///
/// An input is a seed, a byte of limits, and frames: type, flags, stream, length, payload.
enum FramesTarget {
    static func play(_ input: [UInt8]) {
        var choices = Choices(input)
        let seed = choices.byte()
        let bits = choices.byte()
        var bytes: [UInt8] = []
        while !choices.isAtEnd {
            let (type, flags, id) = (choices.byte(), choices.byte(), choices.byte())
            let payload = choices.take(Int(choices.byte()))
            bytes += [0, 0, UInt8(payload.count), type, flags, 0, 0, 0, id] + payload
        }
        var first: [String]?
        for cut in Cut.all(seed: seed) {
            guard let log = log(of: bytes, bits, cut) else { return }
            if let first {
                precondition(first == log, "\(cut): \(log)\nis not: \(first)")
            }
            first = log
        }
    }

    /// One line for each stream and one for the connection; `nil` when a flood ended it, since that
    /// is judged once for each input.
    private static func log(of bytes: [UInt8], _ bits: UInt8, _ cut: Cut) -> [String]? {
        var limits = EngineTuning.Limits()
        if bits & 1 != 0 { limits.headBytes = 256 }
        if bits & 2 != 0 { limits.headFields = 2 }
        if bits & 4 != 0 { limits.informationalResponses = 1 }
        var stories: [HTTP2StreamID: StreamLog] = [:]
        var failure = "none"
        do throws(HTTP2Error) {
            let session = try HTTP2Session(.init(), limits: limits)
            for method in [HTTPRequest.Method.get, .head, .post] {
                let request = HTTPRequest(
                    method: method, scheme: "https", authority: "a.example", path: "/")
                stories[try session.submit(request, hasBody: method == .post)] = StreamLog()
            }
            var output: [UInt8] = []
            while try session.nextOutput(into: &output, limit: 1 << 16) {}
            do throws(HTTP2Error) {
                for piece in cut.pieces(of: bytes) {
                    try piece.withContiguousSpan { span throws(HTTP2Error) in
                        try session.bytesReceived(span)
                    }
                }
                while try session.nextOutput(into: &output, limit: 1 << 16) {}
            } catch {
                if case .abuse = error.kind { return nil }
                failure = "\(error)"
            }
            if let error = session.failure {
                if case .abuse = error.kind { return nil }
                failure = "\(error)"
            }
            session.streamEnded()
            while let event = session.nextEvent() {
                // nghttp2 reads no further input once a GOAWAY has left no stream.
                if case .goAway = event { failure = "GOAWAY" }
                note(event, &stories)
            }
        } catch {
            preconditionFailure("three plain requests are refused: \(error)")
        }
        let reports = stories.sorted { $0.key < $1.key }.map { key, story in
            // A GOAWAY lets our resets out at once, so a later fault of the whole connection may
            // come before or after a stream's own: only that both failed is certain.
            let entries = story.finished.map {
                failure == "GOAWAY" && $0.hasPrefix("failed") ? "failed" : $0
            }
            return "\(key): \(entries)"
        }
        return reports + [failure]
    }

    private static func note(_ event: HTTP2Event, _ stories: inout [HTTP2StreamID: StreamLog]) {
        switch event {
        case .informational(let id, let response):
            stories[id]?.note("informational \(response.status) \(response.headerFields)")
        case .head(let id, let response, let isEnd):
            stories[id]?.note("head \(response.status) \(response.headerFields) \(isEnd)")
        case .body(let id, let bytes): stories[id]?.body += bytes
        case .end(let id, let trailers):
            stories[id]?.note("end \(trailers.map { "\($0)" } ?? "-")")
        case .failed(let id, let failure):
            // How much of a faulty body was delivered before hangs on the input's end.
            stories[id]?.body = []
            stories[id]?.note("failed \(failure)")
        case .closed(let id): stories[id]?.note("closed")
        case .requestSent, .bodyDrained, .goAway, .settingsChanged, .pingAcknowledged: break
        }
    }
}

/// What was heard of one stream; the pieces of one body are one entry.
private struct StreamLog {
    private var entries: [String] = []
    var body: [UInt8] = []

    mutating func note(_ entry: String) {
        entries = finished + [entry]
        body = []
    }

    var finished: [String] { body.isEmpty ? entries : entries + ["body \(body)"] }
}

extension ArraySlice<UInt8> {
    /// Gives the bytes as a span of an array of their own, where a read too far is noticed.
    func withContiguousSpan<Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        try Array(self).withSpan(body)
    }
}
