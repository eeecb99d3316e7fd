/// A text that is compared by its bytes.
///
/// Swift compares strings by Unicode canonical equivalence: "é" as one scalar equals "é" as two
/// scalars, and the Kelvin sign equals "K". To a file system, a proxy or a TLS library they differ.
/// So each text by which routes, caches or credentials differ is an exact text.
package struct ExactText: Sendable, Hashable {
    package let text: String
    /// Whether every byte is known to be ASCII.
    private let isASCII: Bool

    package init(_ text: String) {
        self.text = text
        let bytes = text.utf8.span
        var isASCII = true
        for index in bytes.indices where bytes[index] >= 0x80 { isASCII = false }
        self.isASCII = isASCII
    }

    /// A text to search for; it is not scanned for ASCII.
    package init(lookingFor text: String) {
        self.text = text
        isASCII = false
    }

    package static func == (left: ExactText, right: ExactText) -> Bool {
        guard left.isASCII || right.isASCII else { return areEqual(left.text, right.text) }
        // A non-ASCII text equivalent to an ASCII one has more bytes.
        return left.text.utf8.count == right.text.utf8.count && left.text == right.text
    }

    /// Texts of equal bytes have equal hashes; so have equivalent texts, which are not equal.
    package func hash(into hasher: inout Hasher) {
        hasher.combine(text)
    }

    /// Whether two texts have equal bytes.
    package static func areEqual(_ left: String, _ right: String) -> Bool {
        let left = left.utf8.span
        let right = right.utf8.span
        guard left.count == right.count else { return false }
        return unsafe haveEqualBytes(left.bytes, right.bytes)
    }

    /// Compares eight bytes at a time.
    private static func haveEqualBytes(_ left: RawSpan, _ right: RawSpan) -> Bool {
        // A text and its copy share their storage, which may be a whole file.
        let isOne = unsafe left.withUnsafeBytes { left in
            unsafe right.withUnsafeBytes { unsafe left.baseAddress == $0.baseAddress }
        }
        if isOne { return true }
        // Invariant: both have the same count, and no load reads beyond it.
        let count = left.byteCount
        var offset = 0
        while offset + 8 <= count {
            guard
                unsafe left.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
                    == right.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: UInt64.self)
            else { return false }
            offset += 8
        }
        while offset < count {
            guard
                unsafe left.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
                    == right.unsafeLoad(fromUncheckedByteOffset: offset, as: UInt8.self)
            else { return false }
            offset += 1
        }
        return true
    }
}

extension ExactText: CustomStringConvertible {
    package var description: String { text }
}
