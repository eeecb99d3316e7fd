#if canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// The parts of a request's target: `/name/argument?query`.
struct RouteTarget: Sendable {
    /// The first path segment; empty for `/`.
    var name = ""
    /// The second path segment as a number, when it is one.
    var number: Int?
    /// The `k=v` pairs after the question mark.
    var query: [(name: String, value: String)] = []

    /// Reads origin form and absolute form.
    init(_ target: UnsafeRawBufferPointer) {
        var rest = target[...]
        if rest.first != UInt8(ascii: "/") {
            rest = RouteTarget.dropAuthority(rest)
        }
        rest = rest.dropFirst()
        if let mark = rest.firstIndex(of: UInt8(ascii: "?")) {
            query = RouteTarget.pairs(rest[(mark + 1)...])
            rest = rest[..<mark]
        }
        guard let slash = rest.firstIndex(of: UInt8(ascii: "/")) else {
            name = String(decoding: rest, as: UTF8.self)
            return
        }
        name = String(decoding: rest[..<slash], as: UTF8.self)
        number = RouteTarget.decimal(rest[(slash + 1)...])
    }

    /// The value of one query parameter, when it is a number.
    func integer(_ name: String) -> Int? {
        query.first { $0.name == name }.flatMap { Int($0.value) }
    }

    func text(_ name: String) -> String? {
        query.first { $0.name == name }?.value
    }

    private static func dropAuthority(
        _ target: Slice<UnsafeRawBufferPointer>
    ) -> Slice<UnsafeRawBufferPointer> {
        guard let colon = target.firstIndex(of: UInt8(ascii: ":")) else { return target }
        let authority = target[colon...].dropFirst(3)
        return authority.drop { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
    }

    private static func pairs(
        _ query: Slice<UnsafeRawBufferPointer>
    ) -> [(name: String, value: String)] {
        query.split(separator: UInt8(ascii: "&")).map { pair in
            let sides = pair.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            let value = sides.count == 2 ? String(decoding: sides[1], as: UTF8.self) : ""
            return (String(decoding: sides[0], as: UTF8.self), value)
        }
    }

    /// A number of at most 18 digits and nothing else.
    static func decimal(_ digits: some Collection<UInt8>) -> Int? {
        guard !digits.isEmpty, digits.count <= 18 else { return nil }
        var number = 0
        for digit in digits {
            guard digit >= 0x30 && digit <= 0x39 else { return nil }
            number = number * 10 + Int(digit - 0x30)
        }
        return number
    }
}

/// The parsed head of a request; the field lines are kept as received.
struct RequestHead {
    enum Framing: Equatable {
        case none
        case length(Int)
        case chunked
    }

    var method = ""
    /// The target as received.
    var target = ""
    var route: RouteTarget
    var framing = Framing.none
    var expectsContinue = false
    var isHTTP10 = false
    /// The peer requested the end of the connection, or uses HTTP/1.0 without keep-alive.
    var wantsClose = false

    /// The length of a head with its empty line, or `nil` when it is not complete.
    static func length(in bytes: UnsafeRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress else { return nil }
        var from = 0
        // Line ends are found by memchr, and an empty line is two of them in a row.
        while from < bytes.count, let found = memchr(start + from, 10, bytes.count - from) {
            let index = UnsafeRawPointer(found) - start
            if index >= 3 && bytes[index - 1] == 13 && bytes[index - 2] == 10 { return index + 1 }
            from = index + 1
        }
        return nil
    }

    /// Reads a complete head; `nil` when it is not one.
    init?(_ head: UnsafeRawBufferPointer) {
        guard let end = head.firstIndex(of: 13) else { return nil }
        let line = UnsafeRawBufferPointer(rebasing: head[..<end])
        guard let first = line.firstIndex(of: 32), let last = line.lastIndex(of: 32), first < last
        else { return nil }
        let version = line[(last + 1)...]
        guard version.starts(with: "HTTP/1.".utf8), version.count == 8 else { return nil }
        isHTTP10 = version.last == UInt8(ascii: "0")
        wantsClose = isHTTP10
        method = String(decoding: line[..<first], as: UTF8.self)
        let target = UnsafeRawBufferPointer(rebasing: line[(first + 1)..<last])
        self.target = String(decoding: target, as: UTF8.self)
        route = RouteTarget(target)
        guard readFields(UnsafeRawBufferPointer(rebasing: head[(end + 2)...])) else { return nil }
    }

    private mutating func readFields(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var isValid = true
        FieldLines.forEach(bytes) { name, value in
            switch name.count {
            case 6 where FieldLines.matches(name, "expect"):
                expectsContinue = FieldLines.matches(value, "100-continue")
            case 10 where FieldLines.matches(name, "connection"):
                if FieldLines.matches(value, "close") { wantsClose = true }
                if FieldLines.matches(value, "keep-alive") { wantsClose = false }
            case 14 where FieldLines.matches(name, "content-length"):
                guard let length = RouteTarget.decimal(value) else {
                    isValid = false
                    return
                }
                if framing != .chunked { framing = length == 0 ? .none : .length(length) }
            case 17 where FieldLines.matches(name, "transfer-encoding"):
                framing = .chunked
            default: break
            }
        }
        return isValid
    }
}

/// The field lines of an HTTP/1 head.
enum FieldLines {
    /// Calls a closure with each line's name and trimmed value, until the empty line.
    static func forEach(
        _ bytes: UnsafeRawBufferPointer,
        _ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void
    ) {
        guard let base = bytes.baseAddress else { return }
        var start = 0
        while start < bytes.count, let found = memchr(base + start, 10, bytes.count - start) {
            let next = UnsafeRawPointer(found) - base + 1
            var end = next - 1
            if end > start && bytes[end - 1] == 13 { end -= 1 }
            guard end > start else { return }
            if let colon = memchr(base + start, 0x3a, end - start) {
                let middle = UnsafeRawPointer(colon) - base
                var first = middle + 1
                while first < end && (bytes[first] == 32 || bytes[first] == 9) { first += 1 }
                while end > first && (bytes[end - 1] == 32 || bytes[end - 1] == 9) { end -= 1 }
                body(
                    UnsafeRawBufferPointer(rebasing: bytes[start..<middle]),
                    UnsafeRawBufferPointer(rebasing: bytes[first..<end]))
            }
            start = next
        }
    }

    /// Whether two texts are equal, ignoring case; `lowercase` has only lower-case letters.
    static func matches(_ bytes: UnsafeRawBufferPointer, _ lowercase: StaticString) -> Bool {
        let count = lowercase.utf8CodeUnitCount
        guard bytes.count == count else { return false }
        for index in 0..<count where bytes[index] | 0x20 != lowercase.utf8Start[index] | 0x20 {
            return false
        }
        return true
    }
}
