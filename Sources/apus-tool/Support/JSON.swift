/// A JSON value that keeps the order of keys and the precision of numbers.
enum JSON {
    case null
    case bool(Bool)
    case integer(Int64)
    /// A number with this many decimals.
    case decimal(Double, digits: Int)
    case string(String)
    case array([JSON])
    case object([(key: String, value: JSON)])

    /// The value on one line (RFC 8259).
    var text: String {
        var text = ""
        write(to: &text)
        return text
    }

    private func write(to text: inout String) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += String(value)
        case .decimal(let value, let digits): text += value.fixed(digits)
        case .string(let value): JSON.write(value, to: &text)
        case .array(let values):
            text += "["
            for (index, value) in values.enumerated() {
                if index > 0 { text += "," }
                value.write(to: &text)
            }
            text += "]"
        case .object(let members):
            text += "{"
            for (index, member) in members.enumerated() {
                if index > 0 { text += "," }
                JSON.write(member.key, to: &text)
                text += ":"
                member.value.write(to: &text)
            }
            text += "}"
        }
    }

    /// Escapes what section 7 requires, and DEL, which terminals may interpret.
    private static func write(_ value: String, to text: inout String) {
        text += "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{0}"..."\u{1F}", "\u{7F}":
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }
}

extension JSON {
    /// The text, or `null` when there is none.
    static func string(_ value: String?) -> JSON { value.map { .string($0) } ?? .null }

    /// The number, or `null` when there is none.
    static func integer(_ value: (some BinaryInteger)?) -> JSON {
        value.map { .integer(Int64(clamping: $0)) } ?? .null
    }

    /// Whole microseconds, or `null` when the instant was never reached.
    static func microseconds(_ value: Duration?) -> JSON {
        value.map { .integer(Int64(clamping: $0.wholeMicroseconds)) } ?? .null
    }
}
