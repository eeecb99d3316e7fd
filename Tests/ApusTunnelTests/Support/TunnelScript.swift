import ApusCore
import ApusTunnel
import Testing

/// How a scripted handshake came out.
enum Outcome: Hashable, Sendable {
    /// The tunnel is established; these bytes belong to it.
    case established(early: [UInt8])
    /// All input was taken, and more is wanted.
    case needsBytes
    case failed(TunnelError)

    static let established = Outcome.established(early: [])
}

/// Plays a proxy's bytes into a handshake, as large as the step says, and gathers what it sends.
struct TunnelScript {
    private(set) var sent: [UInt8] = []
    private(set) var outcome = Outcome.needsBytes
    /// What came and was not taken.
    private var buffer: [UInt8] = []
    private var handshake: TunnelHandshake

    init(_ handshake: TunnelHandshake) throws {
        self.handshake = handshake
        try self.handshake.start(output: &sent)
    }

    /// Feeds the bytes in pieces; unconsumed bytes are kept for the next piece, as in a buffer.
    mutating func receive(_ bytes: [UInt8], step: Int = .max) {
        var rest = bytes[...]
        while !rest.isEmpty {
            buffer += rest.prefix(step)
            rest = rest.dropFirst(step)
            guard outcome == .needsBytes else { continue }
            var offset = 0
            outcome = receiveOnce(buffer, offset: &offset)
            buffer.removeFirst(offset)
        }
        if case .established = outcome { outcome = .established(early: buffer) }
    }

    /// The proxy closed the connection.
    mutating func end() {
        guard outcome == .needsBytes else { return }
        outcome = .failed(handshake.streamEnded())
    }

    private mutating func receiveOnce(_ buffer: [UInt8], offset: inout Int) -> Outcome {
        do throws(TunnelError) {
            let progress = try buffer.withSpan { (span) throws(TunnelError) in
                try handshake.bytesReceived(span, offset: &offset, output: &sent)
            }
            switch progress {
            case .needsBytes:
                #expect(offset == buffer.count, "what is not taken would come again for ever")
                return .needsBytes
            case .established: return .established(early: [])
            }
        } catch {
            return .failed(error)
        }
    }
}

extension TunnelError {
    /// The case's name, for tables that do not pin a sentence.
    var name: String {
        switch self {
        case .refused(let answer): "refused \(answer.status)"
        case .reply(let code): "reply \(code)"
        case .authenticationRefused: "authenticationRefused"
        case .methodRefused(let method, _): "methodRefused \(method)"
        case .malformed: "malformed"
        case .closed: "closed"
        case .streamReset(let code): "streamReset \(code)"
        case .tooLarge: "tooLarge"
        case .invalid: "invalid"
        }
    }
}

extension Outcome {
    /// The outcome in a word or two.
    var name: String {
        switch self {
        case .established(let early): "established \(early.count)"
        case .needsBytes: "needsBytes"
        case .failed(let error): error.name
        }
    }
}

/// The steps that every script is played in.
let steps = [Int.max, 1, 3]
