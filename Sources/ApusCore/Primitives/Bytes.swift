/// Immutable, reference-counted, sliceable bytes, of which bodies are made.
///
/// A value is one array and a range of it, so slicing, copying and passing a value never copy the
/// bytes. A value made from an `[UInt8]` uses that array's storage.
public struct Bytes: Sendable, Hashable {
    @usableFromInline
    let storage: [UInt8]
    /// The part of `storage` that this value shows.
    ///
    /// Invariant: always within `storage.indices`.
    @usableFromInline
    let range: Range<Int>

    /// No bytes.
    public static let empty = Bytes([])

    /// Uses an array's storage, without copying it.
    @inlinable
    public init(_ array: [UInt8]) {
        storage = array
        range = 0..<array.count
    }

    /// Copies the UTF-8 bytes of a text.
    public init(_ text: some StringProtocol) {
        self.init(Array(text.utf8))
    }

    /// Copies bytes of any kind (`Data`, `ByteBuffer`'s view, a slice), with one allocation where
    /// their number is known.
    ///
    /// `Bytes` and `[UInt8]` are not copied.
    @inlinable
    public init(_ bytes: some Sequence<UInt8>) {
        if let bytes = bytes as? Bytes {
            self = bytes
        } else {
            self.init(Array(bytes))
        }
    }

    /// Copies a span, with one allocation.
    public init(copying span: RawSpan) {
        self.init(Array(copying: span))
    }

    /// Keeps a part of a span: as a slice of `memory`, which holds the span's bytes, where the part
    /// is at least half of what that memory takes, else as a copy.
    package init(_ part: Range<Int>, of span: RawSpan, in memory: Bytes?) {
        if let memory, part.count >= memory.storage.capacity / 2 {
            self = memory.slice(part)
        } else {
            self.init(copying: span.extracting(part))
        }
    }

    @inlinable
    init(storage: [UInt8], range: Range<Int>) {
        self.storage = storage
        self.range = range
    }

    /// The number of bytes.
    @inlinable
    public var count: Int { range.count }

    /// Whether there are none.
    @inlinable
    public var isEmpty: Bool { range.isEmpty }

    /// A part of the bytes; `bounds` counts from this value's first byte and must be within it.
    @inlinable
    public func slice(_ bounds: Range<Int>) -> Bytes {
        precondition(
            bounds.lowerBound >= 0 && bounds.upperBound <= count, "slice outside of the bytes")
        return Bytes(
            storage: storage,
            range: range.lowerBound + bounds.lowerBound..<range.lowerBound + bounds.upperBound)
    }

    /// All but the first `n` bytes; empty when there are no more, all bytes when `n` is negative.
    @inlinable
    public func dropFirst(_ n: Int) -> Bytes {
        let start = range.lowerBound + Swift.max(0, Swift.min(count, n))
        return Bytes(storage: storage, range: start..<range.upperBound)
    }

    /// At most the first `n` bytes; none when `n` is negative.
    @inlinable
    public func prefix(_ n: Int) -> Bytes {
        let end = range.lowerBound + Swift.max(0, Swift.min(count, n))
        return Bytes(storage: storage, range: range.lowerBound..<end)
    }

    /// Calls a closure with the bytes as a span; nothing is copied.
    @inlinable
    public func withSpan<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try body(storage.span.bytes.extracting(range))
    }

    /// The bytes as an array; without a copy when this value shows all of its storage.
    @inlinable
    public var array: [UInt8] {
        range.count == storage.count ? storage : Array(storage[range])
    }

    /// Whether two values hold equal bytes.
    @inlinable
    public static func == (left: Bytes, right: Bytes) -> Bool {
        left.count == right.count && left.elementsEqual(right)
    }

    /// Hashes the bytes.
    @inlinable
    public func hash(into hasher: inout Hasher) {
        withSpan { span in
            unsafe span.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
        }
    }
}

extension Bytes: RandomAccessCollection {
    /// The index of the first byte, which is 0.
    @inlinable
    public var startIndex: Int { 0 }

    /// The index after the last byte, which is `count`.
    @inlinable
    public var endIndex: Int { range.count }

    /// The byte at an index from 0 to `count - 1`.
    @inlinable
    public subscript(position: Int) -> UInt8 {
        precondition(position >= 0 && position < count, "index outside of the bytes")
        return storage[range.lowerBound + position]
    }

    /// Calls a closure with the bytes as a buffer; nothing is copied.
    @inlinable
    public func withContiguousStorageIfAvailable<Result>(
        _ body: (UnsafeBufferPointer<UInt8>) throws -> Result
    ) rethrows -> Result? {
        try unsafe storage.withUnsafeBufferPointer {
            try unsafe body(UnsafeBufferPointer(rebasing: $0[range]))
        }
    }

    // swift-format-ignore: NoLeadingUnderscores
    /// Copies as many bytes as fit into a buffer, in one move; returns an iterator over the rest,
    /// and the number of bytes copied.
    ///
    /// The requirement of `Sequence` by which `Array(bytes)` and `append(contentsOf:)` copy.
    @inlinable
    public func _copyContents(
        initializing buffer: UnsafeMutableBufferPointer<UInt8>
    ) -> (Iterator, UnsafeMutableBufferPointer<UInt8>.Index) {
        let part = prefix(buffer.count)
        let copied = unsafe part.storage.withUnsafeBufferPointer { bytes in
            unsafe buffer.initialize(
                fromContentsOf: UnsafeBufferPointer(rebasing: bytes[part.range]))
        }
        return (dropFirst(copied).makeIterator(), copied)
    }
}

extension Bytes: CustomStringConvertible {
    /// The number of bytes; never their content, which may be secret.
    public var description: String { "\(count) bytes" }
}

extension String {
    /// Reads bytes as UTF-8; ill-formed parts become U+FFFD.
    public init(_ bytes: Bytes) {
        self = bytes.withSpan { String(copyingUTF8: $0) }
    }

    /// Reads a span as UTF-8; ill-formed parts become U+FFFD.
    package init(copyingUTF8 span: RawSpan) {
        self = unsafe span.withUnsafeBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}

extension Array<UInt8> {
    /// Copies a span, with one allocation.
    package init(copying span: RawSpan) {
        self = unsafe span.withUnsafeBytes { unsafe Array($0) }
    }

    /// Calls a closure with the bytes as a span.
    @inlinable
    package func withSpan<Result, Failure: Error>(
        _ body: (RawSpan) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        unsafe try body(span.bytes)
    }

    /// Appends the bytes of a span.
    package mutating func append(copying span: RawSpan) {
        unsafe span.withUnsafeBytes { unsafe self.append(contentsOf: $0) }
    }
}
