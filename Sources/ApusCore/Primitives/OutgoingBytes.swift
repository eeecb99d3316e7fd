/// Bytes that leave in a row: short pieces copied into one array, long ones kept by reference.
package struct OutgoingBytes: Sendable {
    /// A piece of no more bytes is copied, and shares a TLS record (16 KiB at most) with what comes
    /// before it: two records in place of one would cost more than the copy does.
    package static let maxCopied = 16 * 1024

    /// A long piece, and how many of the joined bytes go out before it.
    private struct Reference: Sendable {
        let position: Int
        let bytes: Bytes
    }

    private var joined: [UInt8] = []
    private var references: [Reference] = []
    /// All bytes, copied or not.
    package private(set) var count = 0

    package init() {}

    /// Goes on behind an array's bytes, without copying them; `give(to:)` gives them back.
    package init(taking array: inout [UInt8]) {
        swap(&joined, &array)
        count = joined.count
    }

    package var isEmpty: Bool { count == 0 }
    /// Bytes of memory kept for what is copied.
    package var capacity: Int { joined.capacity }

    /// Adds a copy.
    package mutating func append(copying span: RawSpan) {
        joined.append(copying: span)
        count += span.byteCount
    }

    /// Adds a copy of what C gives for the length of one call.
    package mutating func append(copying buffer: UnsafeRawBufferPointer) {
        unsafe joined.append(contentsOf: buffer)
        count += buffer.count
    }

    /// Adds the bytes themselves if there are more than `limit`, else a copy.
    package mutating func append(_ bytes: Bytes, copiedUpTo limit: Int = maxCopied) {
        if bytes.count <= limit {
            bytes.withSpan { joined.append(copying: $0) }
        } else {
            references.append(Reference(position: joined.count, bytes: bytes))
        }
        count += bytes.count
    }

    /// Adds pieces in a row, until `limit` bytes of them were added; how many that were.
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

    /// Adds all of another's bytes.
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

    /// Lets go of all bytes and keeps the room.
    package mutating func removeAll() {
        joined.removeAll(keepingCapacity: true)
        references.removeAll(keepingCapacity: true)
        count = 0
    }

    /// Gives the bytes piece by piece, in order; none of the pieces is empty.
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

    /// Gives all bytes to an array that is empty: only long pieces are copied.
    package mutating func give(to array: inout [UInt8]) {
        if references.isEmpty { swap(&joined, &array) } else { copy(to: &array) }
        removeAll()
    }

    /// Copies all bytes behind those of an array.
    package func copy(to array: inout [UInt8]) {
        forEachPiece { array.append(copying: $0) }
    }
}
