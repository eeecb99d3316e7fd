import ApusCore
import ApusHTTP2
import HTTPTypes

/// Our client and nghttp2's server with nothing but memory between them.
final class Pair {
    let client: HTTP2Session
    let server: ServerPeer
    private(set) var events: [HTTP2Event] = []

    init(
        settings: [(Int32, UInt32)] = [], tuning: EngineTuning.HTTP2 = .init(),
        limits: EngineTuning.Limits = .init(), autoWindow: Bool = true
    ) throws {
        client = try HTTP2Session(tuning, limits: limits)
        server = ServerPeer(settings: settings, autoWindow: autoWindow)
        exchange()
        events = []
    }

    func get(_ path: String = "/") throws -> HTTP2StreamID {
        try client.submit(
            HTTPRequest(method: .get, scheme: "https", authority: "a", path: path), hasBody: false)
    }

    func post(_ path: String = "/") throws -> HTTP2StreamID {
        try client.submit(
            HTTPRequest(method: .post, scheme: "https", authority: "a", path: path), hasBody: true)
    }

    /// Carries bytes both ways until there are none; `react` sees each event as it comes.
    func exchange(react: (HTTP2Event) -> Void = { _ in }) {
        var isBusy = true
        while isBusy {
            isBusy = false
            var output: [UInt8] = []
            _ = try? client.nextOutput(into: &output, limit: 256 * 1024)
            if !output.isEmpty {
                isBusy = true
                _ = server.receive(output)
            }
            let answer = server.output()
            if !answer.isEmpty {
                isBusy = true
                try? client.bytesReceived(answer.span.bytes)
            }
            while let event = client.nextEvent() {
                events.append(event)
                react(event)
            }
        }
    }

    /// The body of a stream so far.
    func body(_ stream: HTTP2StreamID) -> [UInt8] {
        var body: [UInt8] = []
        for case .body(stream, let bytes) in events { body += bytes.array }
        return body
    }

    func isEnded(_ stream: HTTP2StreamID) -> Bool {
        events.contains { if case .end(stream, _) = $0 { true } else { false } }
    }

    func isClosed(_ stream: HTTP2StreamID) -> Bool {
        events.contains { if case .closed(stream) = $0 { true } else { false } }
    }
}
