import ApusCore
import ApusHTTP1
import HTTPTypes

/// Requests a tunnel from an HTTP proxy by CONNECT (RFC 9110, section 9.3.6).
///
/// The machine for ordinary responses parses the proxy's answer: to it a 2xx to CONNECT has no
/// body, whatever its fields say. Any other answer is kept, with its body up to a limit.
package struct ConnectHandshake: Sendable {
    private let request: HTTPRequest
    private let limits: EngineTuning.Limits
    private var fields: HiddenFields
    private var machine: HTTP1Session
    private var refusal: ProxyRefusal
    /// Whether the proxy's refusal was read to its end and its connection may carry another
    /// CONNECT.
    private(set) var mayAskAgain = false

    init(to authority: String, fields: HTTPFields, limits: EngineTuning.Limits) {
        request = HTTPRequest(method: .connect, scheme: nil, authority: authority, path: nil)
        self.fields = HiddenFields(list: fields)
        self.limits = limits
        refusal = ProxyRefusal(limits: limits)
        machine = ConnectHandshake.machine(limits)
    }

    private static func machine(_ limits: EngineTuning.Limits) -> HTTP1Session {
        var machine = HTTP1Session(limits: limits)
        // No upgrade is requested: a 101 is not a tunnel, whatever follows it.
        machine.requestStarted(method: .connect, expectsClose: false, upgrade: nil)
        machine.requestFinished()
        return machine
    }

    /// The next `start` sends the same CONNECT with these fields.
    mutating func askAgain(with fields: HTTPFields) {
        self.fields = HiddenFields(list: fields)
        machine = ConnectHandshake.machine(limits)
        (refusal, mayAskAgain) = (ProxyRefusal(limits: limits), false)
    }

    func start(output: inout [UInt8]) throws(TunnelError) {
        do throws(InvalidRequest) {
            try RequestEncoder.appendHead(
                of: request, target: .authority, framing: .none, connection: .keepAlive,
                additional: fields.list, to: &output)
        } catch {
            throw .invalid(error.description)
        }
    }

    mutating func bytesReceived(
        _ input: RawSpan, offset: inout Int
    ) throws(TunnelError) -> TunnelProgress {
        while let event = try nextEvent(in: input, offset: &offset) {
            switch event {
            case .informational: continue
            case .upgraded: return .established
            case .head(let response, _): try refusal.headReceived(response)
            case .body(let range): try refusal.bodyReceived(input.extracting(range))
            case .end:
                // The machine is not idle when bytes follow the answer: they would be read as the
                // next one.
                mayAskAgain = machine.isIdle
                if let error = refusal.error { throw error }
            }
        }
        return .needsBytes
    }

    private mutating func nextEvent(
        in input: RawSpan, offset: inout Int
    ) throws(TunnelError) -> HTTP1Event? {
        do throws(HTTP1Error) {
            return try machine.nextEvent(in: input, offset: &offset)
        } catch {
            // A refusal with a malformed body is still a refusal: the caller needs its status.
            throw refusal.error ?? TunnelError(error)
        }
    }

    mutating func streamEnded() -> TunnelError {
        refusal.error ?? .closed
    }
}

extension TunnelError {
    init(_ error: HTTP1Error) {
        switch error.reason {
        case .tooLarge: self = .tooLarge(.http1(error))
        case .malformed, .unsolicited: self = .malformed(.http1(error))
        case .truncated: self = .closed
        }
    }
}
