import Apus
import ApusZlib

/// Compresses messages (RFC 7692, section 7.2.1).
struct MessageDeflater {
    /// The end of a flushed stream, which is not sent.
    private static let tail: [UInt8] = [0, 0, 0xFF, 0xFF]

    private let windowBits: Int
    private let keepsContext: Bool
    private let level: Int
    /// zlib's state, made for the first message; without context takeover for each.
    private var stream: Deflater?

    init(windowBits: Int, keepsContext: Bool, level: Int) {
        self.windowBits = windowBits
        self.keepsContext = keepsContext
        self.level = level
    }

    /// The compressed message; `nil` when there is no memory for it: it is then sent as it is.
    mutating func deflate(_ message: Bytes) -> [UInt8]? {
        // zlib yields nothing for a second flush without input.
        guard !message.isEmpty else { return [0] }
        do throws(ZlibError) {
            let deflater =
                if let stream { stream } else {
                    try Deflater(.raw, level: level, windowBits: windowBits, memoryLevel: 8)
                }
            stream = keepsContext ? deflater : nil
            var output: [UInt8] = []
            var rest = message
            while true {
                let step = try deflater.deflate(rest, flush: .sync)
                rest = rest.dropFirst(step.consumed)
                if output.isEmpty { output = step.output } else { output += step.output }
                guard step.next == .again else { break }
            }
            guard output.suffix(4).elementsEqual(Self.tail) else {
                stream = nil
                return nil
            }
            output.removeLast(4)
            return output
        } catch {
            stream = nil
            return nil
        }
    }

    /// Makes no later message refer to the last one, which may not have been sent.
    mutating func forget() {
        stream?.reset()
    }
}

/// Decompresses messages (RFC 7692, section 7.2.2), each piece as it arrives.
struct MessageInflater {
    /// The end that the sender left out of each message.
    private static let tail = Bytes([0, 0, 0xFF, 0xFF])

    private let windowBits: Int
    private let keepsContext: Bool
    /// zlib's state, made for the first message; without context takeover for each.
    private var stream: Inflater?

    init(windowBits: Int, keepsContext: Bool) {
        self.windowBits = windowBits
        self.keepsContext = keepsContext
    }

    /// Decompresses a piece of a message, and calls a function with what it yields.
    ///
    /// - Parameter isLast: the piece ends its message.
    /// - Throws: `WebSocketFault` of code 1007 for malformed data; what the function throws.
    mutating func inflate(
        _ piece: Bytes, isLast: Bool, _ body: ([UInt8]) throws(WebSocketFault) -> Void
    ) throws(WebSocketFault) {
        do {
            let inflater =
                if let stream { stream } else {
                    try Inflater(.raw, windowBits: windowBits)
                }
            stream = isLast && !keepsContext ? nil : inflater
            try Self.inflate(piece, inflater, body)
            if isLast { try Self.inflate(Self.tail, inflater, body) }
        } catch let fault as WebSocketFault {
            throw fault
        } catch ZlibError.outOfMemory {
            throw WebSocketFault(.internalError, "there is no memory to decompress a message")
        } catch {
            throw WebSocketFault(.invalidPayload, "a compressed message is malformed")
        }
    }

    private static func inflate(
        _ piece: Bytes, _ inflater: Inflater, _ body: ([UInt8]) throws(WebSocketFault) -> Void
    ) throws {
        var rest = piece
        while true {
            let step = try inflater.inflate(rest)
            rest = rest.dropFirst(step.consumed)
            if !step.output.isEmpty { try body(step.output) }
            switch step.next {
            case .again: continue
            case .input: return
            case .end:
                // A sender may end its stream; what follows begins a new one (section 7.2.3.4).
                inflater.reset()
                if rest.isEmpty { return }
            }
        }
    }
}
