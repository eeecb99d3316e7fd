/// Bytes to send in order: short pieces copied into one array, long ones kept by reference.
package struct OutgoingBytes: Sendable {
    /// A piece of at most this many bytes is copied and shares a TLS record (16 KiB at most) with
    /// the bytes before it: a second record costs more than the copy.
    package static let maxCopied = 16 * 1024

    /// A long piece, and how many of the joined bytes are sent before it.
    private struct Reference: Sendable {
        let position: Int
        let bytes: Bytes
    }

    private var joined: [UInt8] = []
    private var references: [Reference] = []
    /// The number of bytes, copied or not.
    package private(set) var count = 0

    package init() {}

    /// Starts with an array's bytes, without copying them; `give(to:)` returns the array.
    package init(taking array: inout [UInt8]) {
        swap(&joined, &array)
        count = joined.count
    }

    package var isEmpty: Bool { count == 0 }
    /// The capacity for copied bytes, in bytes.
    package var capacity: Int { joined.capacity }

    /// Appends a copy of the bytes.
    package mutating func append(copying span: RawSpan) {
        joined.append(copying: span)
        count += span.byteCount
    }

    /// Appends a copy of a C buffer.
    package mutating func append(copying buffer: UnsafeRawBufferPointer) {
        unsafe joined.append(contentsOf: buffer)
        count += buffer.count
    }

    /// Appends the bytes: a copy when there are at most `limit`, else a reference.
    package mutating func append(_ bytes: Bytes, copiedUpTo limit: Int = maxCopied) {
        if bytes.count <= limit {
            bytes.withSpan { joined.append(copying: $0) }
        } else {
            references.append(Reference(position: joined.count, bytes: bytes))
        }
        count += bytes.count
    }

    /// Appends pieces in order, up to `limit` bytes, and returns how many bytes were appended.
    package mutating func append(
        _ pieces: ArraySlice<Bytes>, upTo limit: Int, copiedUpTo mostCopied: Int
    ) -> Int {
        var added = 0
        for piece in pieces where added < limit {
            let part = piece.prefix(limit - added)
            append(part, copiedUpTo: mostCopied)
            added += part.count
        }
        return added
    }

    /// Appends all bytes of another value.
    package mutating func append(_ other: OutgoingBytes) {
        guard !other.isEmpty else { return }
        let start = joined.count
        joined.append(contentsOf: other.joined)
        for reference in other.references {
            references.append(
                Reference(position: start + reference.position, bytes: reference.bytes))
        }
        count += other.count
    }

    /// Removes all bytes and keeps the capacity.
    package mutating func removeAll() {
        joined.removeAll(keepingCapacity: true)
        references.removeAll(keepingCapacity: true)
        count = 0
    }

    /// Calls a closure with each piece in order; no piece is empty.
    package func forEachPiece<Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Void
    ) throws(Failure) {
        var position = 0
        for reference in references {
            if position < reference.position {
                try body(unsafe joined.span.bytes.extracting(position..<reference.position))
                position = reference.position
            }
            try reference.bytes.withSpan(body)
        }
        if position < joined.count {
            try body(unsafe joined.span.bytes.extracting(droppingFirst: position))
        }
    }

    /// Moves all bytes into an empty array: only long pieces are copied.
    package mutating func give(to array: inout [UInt8]) {
        if references.isEmpty { swap(&joined, &array) } else { copy(to: &array) }
        removeAll()
    }

    /// Appends a copy of all bytes to an array.
    package func copy(to array: inout [UInt8]) {
        forEachPiece { array.append(copying: $0) }
    }
}
