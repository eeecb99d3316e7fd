package import Apus

/// Splits received bytes into frames, without waiting for the end of a payload.
///
/// Payloads that are not masked are slices of what was received; nothing is copied.
package struct FrameParser: Sendable {
    /// A part of a frame: its head, with as much of its payload as is there.
    package struct Piece: Sendable {
        /// The head of the frame.
        package var header: FrameHeader
        /// The bytes, unmasked; may be empty.
        package var bytes: Bytes
        /// Whether the bytes keep many more in memory, with which they came.
        package var keepsMany: Bool
        /// Whether this is the frame's first piece.
        package var isFirst: Bool
        /// Whether this is the frame's last piece.
        package var isLast: Bool
    }

    private enum State {
        /// The next byte belongs to a head, of which these have arrived; fewer than a head has.
        ///
        /// Exits: `.payload`.
        case header([UInt8])
        /// The next byte belongs to a payload, of which so many bytes were delivered.
        ///
        /// Exits: `.header`.
        case payload(FrameHeader, delivered: Int)
    }

    /// Bytes that came with this many times as many keep many.
    private static let manyTimes = 8

    private var state = State.header([])
    /// What was received and not looked at.
    private var input = Bytes.empty
    /// The number of bytes that `input` had when it was received.
    private var received = 0

    package init() {}

    /// Whether a frame has begun and not ended.
    package var isWithinFrame: Bool {
        if case .header(let held) = state { return !held.isEmpty }
        return true
    }

    /// Takes bytes; `nextPiece()` has returned `nil` before.
    package mutating func bytesReceived(_ bytes: Bytes) {
        precondition(input.isEmpty, "bytes before the last ones were parsed")
        input = bytes
        received = bytes.count
    }

    /// Drops everything that was received.
    mutating func discard() {
        input = .empty
    }

    /// The next piece; `nil` when more bytes are needed.
    ///
    /// The first piece of a frame comes as soon as its head is complete.
    /// - Throws: `WebSocketFault`, as `FrameHeader`; the parser is not used afterwards.
    package mutating func nextPiece() throws(WebSocketFault) -> Piece? {
        switch state {
        case .header(let held):
            guard let header = try nextHeader(held) else { return nil }
            return piece(of: header, delivered: 0, isFirst: true)
        case .payload(let header, let delivered):
            guard !input.isEmpty else { return nil }
            return piece(of: header, delivered: delivered, isFirst: false)
        }
    }

    private mutating func nextHeader(_ held: [UInt8]) throws(WebSocketFault) -> FrameHeader? {
        if held.isEmpty, input.count >= 2 {
            let size = FrameHeader.size(input[0], input[1])
            if input.count >= size {
                let header = try FrameHeader(parsing: input)
                input = input.dropFirst(size)
                return header
            }
        }
        var held = held
        while !input.isEmpty {
            held.append(input[0])
            input = input.dropFirst(1)
            if held.count >= 2, held.count == FrameHeader.size(held[0], held[1]) {
                return try FrameHeader(parsing: Bytes(held))
            }
        }
        state = .header(held)
        return nil
    }

    private mutating func piece(
        of header: FrameHeader, delivered: Int, isFirst: Bool
    ) -> Piece {
        var bytes = input.prefix(header.length - delivered)
        input = input.dropFirst(bytes.count)
        var keepsMany = bytes.count < received / Self.manyTimes
        if let mask = header.mask {
            bytes = Bytes(Masking.masked(bytes, mask: mask, offset: delivered))
            keepsMany = false
        }
        let end = delivered + bytes.count
        let isLast = end == header.length
        state = isLast ? .header([]) : .payload(header, delivered: end)
        return Piece(
            header: header, bytes: bytes, keepsMany: keepsMany, isFirst: isFirst, isLast: isLast)
    }
}
