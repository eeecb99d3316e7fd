import ApusCore
import ApusHTTP2
import HTTPTypes

/// A client session driven by hand-made bytes, with all that happens kept as text.
final class Harness {
    let session: HTTP2Session
    /// The events so far; body bytes of one stream in a row are one entry.
    private(set) var log: [String] = []
    /// The frames that went out, the preface left out.
    private(set) var sent: [Wire.Frame] = []
    private(set) var error: HTTP2Error?
    /// The streams whose bodies may follow, in order; not in the log.
    private(set) var requestsSent: [HTTP2StreamID] = []
    private var isPrefaceSeen = false

    init(
        settings: [(UInt16, UInt32)]? = [], tuning: EngineTuning.HTTP2 = .init(),
        limits: EngineTuning.Limits = .init(), budget: (any WindowBudget)? = nil
    ) throws {
        session = try HTTP2Session(tuning, limits: limits, budget: budget)
        pump()
        guard let settings else { return }
        receive(Wire.settings(settings) + Wire.settingsAck)
        log = []
        sent = []
    }

    /// Opens a stream for a GET of "/", or a POST with a body still to come.
    @discardableResult
    func request(hasBody: Bool = false, method: HTTPRequest.Method? = nil) throws -> HTTP2StreamID {
        let stream = try session.submit(
            HTTPRequest(
                method: method ?? (hasBody ? .post : .get), scheme: "https",
                authority: "example.com", path: "/"),
            hasBody: hasBody)
        pump()
        return stream
    }

    /// Feeds bytes, `step` at a time, and lets out what they bring.
    func receive(_ bytes: [UInt8], step: Int = .max, pumps: Bool = true) {
        var start = 0
        while start < bytes.count {
            let end = step == .max ? bytes.count : min(start + step, bytes.count)
            do throws(HTTP2Error) {
                try session.bytesReceived(bytes.span.bytes.extracting(start..<end))
            } catch {
                self.error = error
            }
            start = end
        }
        if pumps { pump() }
    }

    /// Takes output and events until there is neither.
    func pump() {
        var output: [UInt8] = []
        var isMore = true
        while isMore {
            do throws(HTTP2Error) {
                isMore = try session.nextOutput(into: &output, limit: 64 * 1024)
            } catch {
                self.error = error
                isMore = false
            }
        }
        if !isPrefaceSeen, output.count >= 24 {
            output.removeFirst(24)
            isPrefaceSeen = true
        }
        sent += Wire.frames(output)
        takeEvents()
    }

    func takeEvents() {
        while let event = session.nextEvent() { note(event) }
    }

    /// Takes the log and starts a new one.
    func takeLog() -> [String] {
        defer { log = [] }
        return log
    }

    /// Takes the frames sent, as text, and starts anew.
    func takeSent() -> [String] {
        defer { sent = [] }
        return sent.map(\.description)
    }

    private func note(_ event: HTTP2Event) {
        if case .requestSent(let stream) = event { return requestsSent.append(stream) }
        guard case .body(let stream, let bytes) = event else {
            log.append(Self.text(event))
            return
        }
        let prefix = "body \(stream) "
        if let last = log.last, last.hasPrefix(prefix) {
            log[log.count - 1] = last + String(bytes)
        } else {
            log.append(prefix + String(bytes))
        }
    }

    private static func text(_ event: HTTP2Event) -> String {
        switch event {
        case .informational(let stream, let response):
            "informational \(stream) \(response.status.code)"
        case .head(let stream, let response, let isEnd):
            "head \(stream) \(response.status.code)\(text(response.headerFields))"
                + (isEnd ? " end" : "")
        case .body(let stream, let bytes): "body \(stream) \(bytes.count)"
        case .end(let stream, let trailers):
            "end \(stream)" + (trailers.map(text) ?? "")
        case .failed(let stream, let failure): "failed \(stream) \(failure)"
        case .closed(let stream): "closed \(stream)"
        case .requestSent(let stream): "sent \(stream)"
        case .bodyDrained(let stream): "drained \(stream)"
        case .goAway(let last, let code, let debug): "goaway \(last) \(code) \(debug)"
        case .settingsChanged(let most): "settings \(most)"
        case .pingAcknowledged: "pong"
        }
    }

    private static func text(_ fields: HTTPFields) -> String {
        fields.map { " \($0.name.rawName)=\($0.value)" }.joined()
    }
}
