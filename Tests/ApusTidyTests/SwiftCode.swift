/// Enough of Swift's grammar to separate code from comments and string literals.
enum SwiftCode {
    /// The same lines with comments and the insides of string literals replaced by blanks, so that
    /// columns and line numbers stay.
    static func stripped(_ lines: [Substring]) -> [String] {
        var scanner = Scanner()
        return lines.map { scanner.strip($0) }
    }

    /// The first and last line of each function, initialiser, deinitialiser and subscript that has
    /// a body.
    ///
    /// The lines are code without comments.
    static func functions(in code: [String]) -> [ClosedRange<Int>] {
        code.indices.compactMap { start in
            guard isFunctionStart(code[start]) else { return nil }
            return bodyEnd(in: code, from: start).map { start...$0 }
        }
    }

    /// Whether a declaration of something callable begins on this line.
    static func isFunctionStart(_ line: String) -> Bool {
        // Most lines hold none of the words; the pattern is slow.
        guard ["func", "init", "subscript"].contains(where: line.contains) else { return false }
        let declaration =
            /^\s*(?:(?:@\w+(?:\([^)]*\))?|[a-z]+(?:\([a-z]+\))?)\s+)*(func\s|init\b\s*[?(<]|deinit\b|subscript\b)/
        guard let match = line.firstMatch(of: declaration) else { return false }
        // `self.init(` and `.init(` are calls; the pattern admits neither, as they hold a dot.
        return !match.0.contains("return") && !match.0.contains("case ")
    }

    /// The line of the brace that closes the body begun at or after `start`; `nil` for a
    /// declaration without a body, as in a protocol.
    private static func bodyEnd(in code: [String], from start: Int) -> Int? {
        var parentheses = 0
        var braces = 0
        for index in start..<code.count {
            if index > start, braces == 0, parentheses == 0, isDeclarationStart(code[index]) {
                return nil
            }
            for character in code[index] {
                switch character {
                case "(", "[": parentheses += 1
                case ")", "]": parentheses -= 1
                case "{": braces += 1
                case "}":
                    braces -= 1
                    if braces < 0 { return nil }
                    if braces == 0, parentheses == 0 { return index }
                default: break
                }
            }
        }
        return nil
    }

    private static func isDeclarationStart(_ line: String) -> Bool {
        let keyword = /^\s*(?:[a-z]+\s+)*(func|var|let|case|associatedtype|typealias|struct|enum)\s/
        return isFunctionStart(line) || line.firstMatch(of: keyword) != nil
    }

    /// The scanner's state, kept from line to line.
    private struct Scanner {
        /// Depth of `/* */`, which nest in Swift.
        var commentDepth = 0
        /// The number of `#` of the multi-line string that is open; `nil` outside of one.
        var openString: Int?

        mutating func strip(_ line: Substring) -> String {
            // Most lines begin and end in code, with nothing in them to blank.
            let isPlain = !line.utf8.contains {
                $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "/")
            }
            if isPlain, commentDepth == 0, openString == nil { return String(line) }
            var result = ""
            var rest = line
            while let character = rest.first {
                if commentDepth > 0 {
                    skipComment(&rest, into: &result)
                } else if let hashes = openString {
                    skipMultiline(&rest, hashes: hashes, into: &result)
                } else if rest.hasPrefix("//") {
                    result += blanks(rest.count)
                    rest = ""
                } else if rest.hasPrefix("/*") {
                    commentDepth = 1
                    take(2, of: &rest, into: &result)
                } else if let hashes = stringStart(rest) {
                    openLiteral(&rest, hashes: hashes, into: &result)
                } else {
                    result.append(character)
                    rest.removeFirst()
                }
            }
            return result
        }

        private mutating func skipComment(_ rest: inout Substring, into result: inout String) {
            if rest.hasPrefix("*/") {
                commentDepth -= 1
                take(2, of: &rest, into: &result)
            } else if rest.hasPrefix("/*") {
                commentDepth += 1
                take(2, of: &rest, into: &result)
            } else {
                take(1, of: &rest, into: &result)
            }
        }

        private mutating func skipMultiline(
            _ rest: inout Substring, hashes: Int, into result: inout String
        ) {
            let end = "\"\"\"" + String(repeating: "#", count: hashes)
            if rest.hasPrefix(end) {
                openString = nil
                take(end.count, of: &rest, into: &result)
            } else {
                let isEscape = hashes == 0 && rest.hasPrefix("\\")
                take(isEscape ? min(2, rest.count) : 1, of: &rest, into: &result)
            }
        }

        /// The number of `#` before a quote at this position; `nil` when there is none.
        private func stringStart(_ rest: Substring) -> Int? {
            let hashes = rest.prefix { $0 == "#" }.count
            return rest.dropFirst(hashes).first == "\"" ? hashes : nil
        }

        /// Blanks a literal that ends on its line, or opens one that does not; the quotes stay, so
        /// that an argument still looks like one.
        private mutating func openLiteral(
            _ rest: inout Substring, hashes: Int, into result: inout String
        ) {
            rest.removeFirst(hashes)
            result += blanks(hashes)
            if rest.hasPrefix("\"\"\"") {
                openString = hashes
                take(3, of: &rest, into: &result)
                return
            }
            result += "\""
            rest.removeFirst()
            let end = "\"" + String(repeating: "#", count: hashes)
            let escape = "\\" + String(repeating: "#", count: hashes)
            while !rest.isEmpty, !rest.hasPrefix(end) {
                if rest.hasPrefix(escape + "(") {
                    skipInterpolation(&rest, into: &result)
                } else {
                    let isEscape = rest.hasPrefix(escape)
                    take(min(isEscape ? escape.count + 1 : 1, rest.count), of: &rest, into: &result)
                }
            }
            take(min(end.count, rest.count), of: &rest, into: &result)
        }

        /// Blanks `\( ... )`, whose own quotes do not end the literal.
        private mutating func skipInterpolation(
            _ rest: inout Substring, into result: inout String
        ) {
            var depth = 0
            while let character = rest.first {
                if let hashes = stringStart(rest), depth > 0 {
                    openLiteral(&rest, hashes: hashes, into: &result)
                    continue
                }
                take(1, of: &rest, into: &result)
                if character == "(" { depth += 1 }
                if character == ")" { depth -= 1 }
                if depth == 0, character == ")" { return }
            }
        }

        private func take(_ count: Int, of rest: inout Substring, into result: inout String) {
            rest.removeFirst(count)
            result += blanks(count)
        }

        private func blanks(_ count: Int) -> String { String(repeating: " ", count: count) }
    }
}
