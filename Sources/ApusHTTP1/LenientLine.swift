import ApusCore

/// Repairs faulty lines that a switch of `EngineTuning.Lenience` accepts.
///
/// A correct line never reaches this code.
enum LenientLine {
    /// The position of a line's CR LF; `nil` for another line end, which no switch accepts.
    static func end(of line: RawSpan) -> Int? {
        let end = line.byteCount - 2
        return end > 0 && line.byte(end) == ASCII.carriageReturn ? end : nil
    }

    /// A continuation line without surrounding blanks; `nil` when it contains an unacceptable byte.
    static func value(_ text: RawSpan, _ lenience: EngineTuning.Lenience) -> [UInt8]? {
        var value = [UInt8](copying: text)
        for index in value.indices where ASCII.isControl(value[index]) {
            guard lenience.controlsInValues, !ASCII.endsLines(value[index]) else { return nil }
            value[index] = ASCII.space
        }
        let range = unsafe value.span.bytes.trimmed(0..<value.count)
        return Array(value[range])
    }

    /// A field line with its value's control bytes replaced by blanks, and CR LF; `nil` when there
    /// are none, or one that is never accepted.
    static func field(_ text: RawSpan) -> [UInt8]? {
        guard let colon = (0..<text.byteCount).first(where: { text.byte($0) == ASCII.colon }) else {
            return nil
        }
        var line = [UInt8](copying: text)
        var isChanged = false
        for index in colon + 1..<line.count where ASCII.isControl(line[index]) {
            guard !ASCII.endsLines(line[index]) else { return nil }
            line[index] = ASCII.space
            isChanged = true
        }
        return isChanged ? line + [ASCII.carriageReturn, ASCII.lineFeed] : nil
    }
}
