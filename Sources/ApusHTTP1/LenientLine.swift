import ApusCore

/// Lines as a switch of `EngineTuning.Lenience` lets them pass: made into what they should be.
///
/// None of this is ever on the way of a line that keeps the rules.
enum LenientLine {
    /// Where a line's CR LF stands; `nil` when it ends otherwise, which no switch lets pass.
    static func end(of line: RawSpan) -> Int? {
        let end = line.byteCount - 2
        return end > 0 && line.byte(end) == ASCII.carriageReturn ? end : nil
    }

    /// A line that goes on with a value, with the blanks around it taken off; `nil` when it holds
    /// what is not let pass.
    static func value(_ text: RawSpan, _ lenience: EngineTuning.Lenience) -> [UInt8]? {
        var value = [UInt8](copying: text)
        for index in value.indices where ASCII.isControl(value[index]) {
            guard lenience.controlsInValues, !ASCII.endsLines(value[index]) else { return nil }
            value[index] = ASCII.space
        }
        let range = unsafe value.span.bytes.trimmed(0..<value.count)
        return Array(value[range])
    }

    /// A field line whose value's control bytes have become blanks, with its CR LF; `nil` when
    /// there is none, or one that is never let pass.
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
