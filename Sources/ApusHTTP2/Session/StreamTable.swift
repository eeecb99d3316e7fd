/// What belongs to each open stream of a connection, by the stream's number.
///
/// A hash table with linear probing. Each event looks up its stream, and the hash of a dictionary,
/// which withstands chosen keys, costs more than the rest of that. Here the client chooses them.
///
/// It is `public` for the compiler alone, which specialises no generic `package` type for another
/// target.
public struct StreamTable<Value> {
    /// The number of each place's stream; 0 is an empty place.
    ///
    /// Invariant: their count is 0 or a power of two, at most half of them are taken, and no empty
    /// place lies between a number's own place and the place where it is.
    @usableFromInline var ids: [Int32] = []
    /// `nil` where the place is empty.
    @usableFromInline var places: [Value?] = []
    @usableFromInline var size = 0
    /// How many bits of a hash are not a place.
    @usableFromInline var shift: UInt32 = 32
    /// How many streams there are.
    @inlinable
    public var count: Int { size }

    /// Creates an empty table.
    @inlinable
    public init() {}

    /// Whether there is no stream.
    @inlinable
    public var isEmpty: Bool { size == 0 }

    /// What belongs to each stream, in no particular order.
    public var values: some Collection<Value> { places.lazy.compactMap { $0 } }

    /// What belongs to the stream; `nil` where there is none of this number.
    @inlinable
    public subscript(id: Int32) -> Value? {
        place(of: id).flatMap { places[$0] }
    }

    /// Whether there is a stream of this number.
    @inlinable
    public func contains(_ id: Int32) -> Bool { place(of: id) != nil }

    /// Enters a stream that is not there yet; numbers are above 0.
    @inlinable
    public mutating func insert(_ value: Value, for id: Int32) {
        precondition(id > 0 && !contains(id), "a stream is entered once")
        if (size + 1) * 2 > ids.count { grow() }
        put(value, for: id)
        size += 1
    }

    /// Takes a stream out, and returns what belonged to it; `nil` where there was none.
    @inlinable
    @discardableResult
    public mutating func remove(_ id: Int32) -> Value? {
        guard var hole = place(of: id) else { return nil }
        let value = places[hole]
        size -= 1
        // What would not be found across the hole moves into it, which makes the next hole.
        var next = (hole + 1) & (ids.count - 1)
        while ids[next] != 0 {
            let own = home(of: ids[next])
            let isBetween = hole <= next ? hole < own && own <= next : hole < own || own <= next
            if !isBetween {
                ids[hole] = ids[next]
                places.swapAt(hole, next)
                hole = next
            }
            next = (next + 1) & (ids.count - 1)
        }
        ids[hole] = 0
        places[hole] = nil
        return value
    }

    /// The place where a number is looked for first: numbers that follow each other are spread, by
    /// the golden ratio (Knuth, The Art of Computer Programming, section 6.4).
    @inlinable
    func home(of id: Int32) -> Int {
        Int((UInt32(bitPattern: id) &* 0x9E37_79B9) >> shift)
    }

    @inlinable
    func place(of id: Int32) -> Int? {
        guard !ids.isEmpty else { return nil }
        var place = home(of: id)
        while ids[place] != 0 {
            if ids[place] == id { return place }
            place = (place + 1) & (ids.count - 1)
        }
        return nil
    }

    @inlinable
    mutating func put(_ value: Value, for id: Int32) {
        var place = home(of: id)
        while ids[place] != 0 { place = (place + 1) & (ids.count - 1) }
        ids[place] = id
        places[place] = value
    }

    @inlinable
    mutating func grow() {
        let (oldIDs, oldPlaces) = (ids, places)
        let room = max(4, ids.count * 2)
        ids = Array(repeating: 0, count: room)
        places = Array(repeating: nil, count: room)
        shift = 32 - UInt32(room.trailingZeroBitCount)
        for (id, value) in zip(oldIDs, oldPlaces) {
            if let value { put(value, for: id) }
        }
    }
}
