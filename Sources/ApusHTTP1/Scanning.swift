/// The bytes that have a meaning in HTTP/1.1.
enum ASCII {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let comma: UInt8 = 0x2C
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B

    /// The letters, digits and signs of a token (RFC 9110, section 5.6.2), as two sets of bits.
    private static let tokenBelow64: UInt64 = 0x03FF_6CFA_0000_0000
    private static let tokenFrom64: UInt64 = 0x57FF_FFFF_C7FF_FFFE

    /// Whether a byte is allowed in a token.
    @inline(__always)
    static func isToken(_ byte: UInt8) -> Bool {
        let set = byte < 64 ? tokenBelow64 : tokenFrom64
        return byte < 128 && (set &>> UInt64(byte & 63)) & 1 == 1
    }

    /// Whether a byte is a blank: a space or a tab.
    @inline(__always)
    static func isBlank(_ byte: UInt8) -> Bool { byte == space || byte == tab }

    /// Whether a byte is a control byte other than tab.
    static func isControl(_ byte: UInt8) -> Bool { (byte < 0x20 && byte != tab) || byte == 0x7F }

    /// Whether other readers may treat a byte as an end: NUL, CR and LF.
    static func endsLines(_ byte: UInt8) -> Bool {
        byte == 0 || byte == carriageReturn || byte == lineFeed
    }

    /// The value of a decimal digit.
    @inline(__always)
    static func digit(_ byte: UInt8) -> UInt8? {
        let value = byte &- 0x30
        return value <= 9 ? value : nil
    }

    /// The value of a hexadecimal digit.
    @inline(__always)
    static func hexDigit(_ byte: UInt8) -> UInt8? {
        if let digit = digit(byte) { return digit }
        let letter = (byte | 0x20) &- 0x61
        return letter < 6 ? letter + 10 : nil
    }

    /// The lower-case form of a letter; any other byte unchanged.
    @inline(__always)
    static func lowercased(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }
}

/// Scanning, eight bytes at a time; every load is checked against the span's bounds.
extension RawSpan {
    @inline(__always)
    func byte(_ offset: Int) -> UInt8 {
        // Any byte is a valid UInt8, and the load checks the bounds.
        unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }

    @inline(__always)
    func word(_ offset: Int) -> UInt64 {
        // Any eight bytes are a valid UInt64; a big-endian machine swaps them.
        UInt64(littleEndian: unsafe unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The first control byte other than tab (below 0x20, or 0x7F) at or after `start`; the end if
    /// there is none.
    @inline(__always)
    func firstControl(from start: Int) -> Int {
        var offset = start
        while offset + 8 <= byteCount {
            let word = word(offset)
            // Bytes below 0x20 and bytes equal to 0x7F leave their high bit set. A borrow can only
            // reach bytes above a true hit, so the lowest hit is exact.
            let deletes = word ^ 0x7F7F_7F7F_7F7F_7F7F
            let low = (word &- 0x2020_2020_2020_2020) & ~word
            let hits =
                (low | ((deletes &- 0x0101_0101_0101_0101) & ~deletes)) & 0x8080_8080_8080_8080
            guard hits != 0 else {
                offset += 8
                continue
            }
            offset += hits.trailingZeroBitCount >> 3
            guard byte(offset) == ASCII.tab else { return offset }
            offset += 1
        }
        while offset < byteCount {
            let byte = byte(offset)
            if (byte < 0x20 && byte != ASCII.tab) || byte == 0x7F { return offset }
            offset += 1
        }
        return offset
    }

    /// Whether every byte is ASCII.
    @inline(__always)
    var isASCII: Bool {
        var bits: UInt64 = 0
        var offset = 0
        while offset + 8 <= byteCount {
            bits |= word(offset)
            offset += 8
        }
        while offset < byteCount {
            bits |= UInt64(byte(offset))
            offset += 1
        }
        return bits & 0x8080_8080_8080_8080 == 0
    }

    /// The colon after at most so many other bytes; `nil` when there is none.
    @inline(__always)
    func firstColon(from start: Int, atMost most: Int) -> Int? {
        var offset = start
        let end = Swift.min(byteCount, start + most + 1)
        while offset + 8 <= byteCount, offset < end {
            let others = word(offset) ^ 0x3A3A_3A3A_3A3A_3A3A
            let hits = (others &- 0x0101_0101_0101_0101) & ~others & 0x8080_8080_8080_8080
            if hits != 0 { return offset + hits.trailingZeroBitCount >> 3 }
            offset += 8
        }
        while offset < end {
            if byte(offset) == ASCII.colon { return offset }
            offset += 1
        }
        return nil
    }

    /// The first line feed at or after `start`.
    func firstLineFeed(from start: Int) -> Int? {
        var offset = start
        while offset + 8 <= byteCount {
            let others = word(offset) ^ 0x0A0A_0A0A_0A0A_0A0A
            let hits = (others &- 0x0101_0101_0101_0101) & ~others & 0x8080_8080_8080_8080
            if hits != 0 { return offset + hits.trailingZeroBitCount >> 3 }
            offset += 8
        }
        while offset < byteCount {
            if byte(offset) == ASCII.lineFeed { return offset }
            offset += 1
        }
        return nil
    }

    /// A range without blanks at both ends.
    @inline(__always)
    func trimmed(_ range: Range<Int>) -> Range<Int> {
        var lower = range.lowerBound
        var upper = range.upperBound
        while lower < upper, ASCII.isBlank(byte(lower)) { lower += 1 }
        while lower < upper, ASCII.isBlank(byte(upper - 1)) { upper -= 1 }
        return lower..<upper
    }

    /// Whether a range equals these lower-case letters, ignoring case.
    func equals(_ letters: StaticString, in range: Range<Int>) -> Bool {
        guard letters.utf8CodeUnitCount == range.count else { return false }
        // The pointer is valid for the life of the program: the text is a literal.
        let literal = unsafe UnsafeBufferPointer(start: letters.utf8Start, count: range.count)
        for index in 0..<range.count
        where unsafe ASCII.lowercased(byte(range.lowerBound + index)) != literal[index] {
            return false
        }
        return true
    }

    /// Calls a closure with each element of a comma-separated list, without surrounding blanks.
    func forEachElement<Failure: Error>(
        of list: Range<Int>, _ body: (Range<Int>) throws(Failure) -> Void
    ) throws(Failure) {
        var start = list.lowerBound
        for offset in list where byte(offset) == ASCII.comma {
            try body(trimmed(start..<offset))
            start = offset + 1
        }
        try body(trimmed(start..<list.upperBound))
    }
}
