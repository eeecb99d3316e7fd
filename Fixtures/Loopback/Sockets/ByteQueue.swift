#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// Bytes in the order of arrival, in one reused piece of memory.
///
/// Not thread-safe: it belongs to the thread of its connection.
final class ByteQueue {
    // Invariant: 0 <= head <= tail <= capacity, and bytes in head..<tail are initialized.
    private var base: UnsafeMutableRawPointer
    private var capacity: Int
    private var head = 0
    private var tail = 0

    init(capacity: Int) {
        base = .allocate(byteCount: capacity, alignment: 16)
        self.capacity = capacity
    }

    deinit {
        base.deallocate()
    }

    var count: Int { tail - head }
    var isEmpty: Bool { head == tail }

    /// The bytes in the queue; valid until the next change.
    var readable: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + head, count: count)
    }

    /// Room for at least `size` bytes after the last; `commit` reports how many were written.
    func reserve(_ size: Int) -> UnsafeMutableRawBufferPointer {
        if capacity - tail < size { makeRoom(size) }
        return UnsafeMutableRawBufferPointer(start: base + tail, count: capacity - tail)
    }

    func commit(_ size: Int) {
        precondition(size >= 0 && size <= capacity - tail, "more committed than reserved")
        tail += size
    }

    func consume(_ size: Int) {
        precondition(size >= 0 && size <= count, "more consumed than there is")
        head += size
        if head == tail {
            head = 0
            tail = 0
        }
    }

    func removeAll() {
        head = 0
        tail = 0
    }

    func append(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        let room = reserve(bytes.count)
        room.baseAddress?.copyMemory(from: start, byteCount: bytes.count)
        commit(bytes.count)
    }

    func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes(append)
    }

    func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// Appends a number in decimal digits.
    func append(decimal number: Int) {
        append(String(number))
    }

    private func makeRoom(_ size: Int) {
        let kept = count
        if capacity - kept >= size && head >= capacity / 2 {
            base.copyMemory(from: base + head, byteCount: kept)
        } else {
            let larger = max(capacity * 2, kept + size)
            let moved = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
            moved.copyMemory(from: base + head, byteCount: kept)
            base.deallocate()
            base = moved
            capacity = larger
        }
        head = 0
        tail = kept
    }
}
