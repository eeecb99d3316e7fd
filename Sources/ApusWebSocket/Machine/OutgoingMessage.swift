package import Apus

/// A message that is being sent, frame by frame.
package struct OutgoingMessage: Sendable {
    /// What is left to send.
    private var rest: Bytes
    /// The text, while it can be sent in one frame as it is.
    private var text: String?
    private var opcode: FrameOpcode
    /// Whether the message is compressed.
    package let isCompressed: Bool
    private let maxFrame: Int
    /// Whether every frame was made.
    package private(set) var isDone = false
    /// Whether no frame was made.
    package private(set) var isWhole = true

    init(_ message: WebSocketMessage, deflater: inout DeflateSide?, maxFrame: Int) {
        self.maxFrame = maxFrame
        switch message {
        case .text(let content):
            opcode = .text
            let isSmall = content.utf8.count <= maxFrame
            if let deflated = deflater?.deflate(content) {
                (rest, isCompressed) = (Bytes(deflated), true)
            } else if isSmall {
                (rest, text, isCompressed) = (.empty, content, false)
            } else {
                (rest, isCompressed) = (Bytes(content), false)
            }
        case .binary(let content):
            opcode = .binary
            if let deflated = deflater?.deflate(content) {
                (rest, isCompressed) = (Bytes(deflated), true)
            } else {
                (rest, isCompressed) = (content, false)
            }
        }
    }

    /// The next frame, masked with this key; not called when the message is done.
    package mutating func nextFrame(mask: UInt32?) -> Bytes {
        precondition(!isDone, "a frame after the last one")
        defer { isWhole = false }
        if let text {
            isDone = true
            let header = FrameHeader(.text, length: text.utf8.count, mask: mask)
            return FrameWriter.frame(header, text)
        }
        let part = rest.prefix(maxFrame)
        rest = rest.dropFirst(part.count)
        isDone = rest.isEmpty
        let header = FrameHeader(
            opcode, length: part.count, isFinal: isDone, isCompressed: isCompressed && isWhole,
            mask: mask)
        opcode = .continuation
        return FrameWriter.frame(header, part)
    }
}

/// The compression of what is sent, with the length from which it is used.
struct DeflateSide {
    private var deflater: MessageDeflater
    private let minimumLength: Int

    init(_ deflater: MessageDeflater, minimumLength: Int) {
        self.deflater = deflater
        self.minimumLength = minimumLength
    }

    fileprivate mutating func deflate(_ text: String) -> [UInt8]? {
        text.utf8.count >= minimumLength ? deflater.deflate(Bytes(text)) : nil
    }

    fileprivate mutating func deflate(_ bytes: Bytes) -> [UInt8]? {
        bytes.count >= minimumLength ? deflater.deflate(bytes) : nil
    }

    mutating func forget() {
        deflater.forget()
    }
}
