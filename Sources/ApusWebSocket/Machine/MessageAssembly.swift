import Apus

/// Joins the parts of one message at a time, decompresses them, and checks text as it arrives.
struct MessageAssembly {
    private enum State {
        /// No message has begun.
        ///
        /// Exits: `.message`.
        case idle
        /// A message has begun.
        ///
        /// Exits: `.idle`.
        case message(Message)
    }

    /// A message that has begun.
    fileprivate struct Message {
        let isText: Bool
        let isCompressed: Bool
        var content: [UInt8] = []
        var validator = UTF8Validator()
    }

    private let limit: Int
    private var inflater: MessageInflater?
    private var state = State.idle

    /// Creates an assembly that accepts messages of at most `limit` bytes, decompressed.
    init(limit: Int, inflater: MessageInflater?) {
        self.limit = limit
        self.inflater = inflater
    }

    /// Checks the head of a data frame against the rules of fragments and the limit.
    mutating func begin(_ header: FrameHeader) throws(WebSocketFault) {
        switch state {
        case .idle:
            guard header.opcode != .continuation else {
                throw .protocolError("a continuation without a message to continue")
            }
            guard !header.isCompressed || inflater != nil else {
                throw .protocolError("the reserved bit 1 is set")
            }
            if !header.isCompressed { try check(header.length) }
            state = .message(
                Message(isText: header.opcode == .text, isCompressed: header.isCompressed))
        case .message(let message):
            guard header.opcode == .continuation else {
                throw .protocolError("a message begins within another")
            }
            guard !header.isCompressed else {
                throw .protocolError("the reserved bit 1 is set in a continuation")
            }
            if !message.isCompressed { try check(message.content.count, header.length) }
        }
    }

    /// Adds a piece of the message, and returns the message when it is the last.
    mutating func add(_ piece: FrameParser.Piece) throws(WebSocketFault) -> WebSocketMessage? {
        guard case .message(var message) = state else { return nil }
        // The array is held once, so that it grows in place.
        state = .idle
        let isEnd = piece.isLast && piece.header.isFinal
        if isEnd, !message.isCompressed, message.content.isEmpty, message.validator.isComplete {
            return try Self.whole(piece, isText: message.isText)
        }
        if message.isCompressed {
            try inflater?.inflate(piece.bytes, isLast: isEnd) { output throws(WebSocketFault) in
                // The fault that comes first in the text is reported, however the text was cut.
                let room = limit - message.content.count
                try message.append(Bytes(output).prefix(room))
                guard output.count <= room else { throw .tooLarge("a message", limit: limit) }
            }
        } else {
            if message.content.isEmpty { message.makeRoom(for: piece) }
            try message.append(piece.bytes)
        }
        guard isEnd else {
            state = .message(message)
            return nil
        }
        return try message.end()
    }

    private func check(_ counts: Int...) throws(WebSocketFault) {
        var room = limit
        for count in counts {
            guard count <= room else { throw .tooLarge("a message", limit: limit) }
            room -= count
        }
    }

    /// A message that arrived in one piece.
    private static func whole(
        _ piece: FrameParser.Piece, isText: Bool
    ) throws(WebSocketFault) -> WebSocketMessage {
        guard isText else {
            // A short message that the program keeps shall not keep a whole read.
            return .binary(piece.keepsMany ? Bytes(piece.bytes.array) : piece.bytes)
        }
        guard let text = String(validating: piece.bytes, as: UTF8.self) else {
            throw .invalidText("a text")
        }
        return .text(text)
    }
}

extension MessageAssembly.Message {
    fileprivate mutating func append(_ bytes: Bytes) throws(WebSocketFault) {
        if isText, !validator.takes(bytes) { throw .invalidText("a text") }
        if content.capacity == 0 {
            content = bytes.array
        } else {
            // `+=` would copy byte by byte.
            bytes.withSpan { content.append(copying: $0) }
        }
    }

    /// Makes room for the rest of a frame, but at most for four times what has arrived: a length is
    /// easily said.
    fileprivate mutating func makeRoom(for piece: FrameParser.Piece) {
        guard !piece.bytes.isEmpty else { return }
        content.reserveCapacity(min(piece.header.length, piece.bytes.count * 4))
    }

    fileprivate func end() throws(WebSocketFault) -> WebSocketMessage {
        guard isText else { return .binary(Bytes(content)) }
        guard validator.isComplete else { throw .invalidText("a text") }
        return .text(String(decoding: content, as: UTF8.self))
    }
}
