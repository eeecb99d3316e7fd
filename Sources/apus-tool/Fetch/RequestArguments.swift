import Apus
import ArgumentParser

/// Options of the request: `-X`, `-H`, `-d`, `--compressed`.
struct RequestArguments: ParsableArguments {
    @Option(
        name: [.customShort("X"), .customLong("request")],
        help: ArgumentHelp("The method; GET, or POST with -d.", valueName: "method"))
    var method: String?

    @Option(
        name: [.customShort("H"), .customLong("header")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "A field, as 'Name: value'; repeat for more. 'Name;' sends it empty; 'Name:' "
                + "sends none, as in curl.", valueName: "field"))
    var fields: [String] = []

    @Option(
        name: [.customShort("d"), .customLong("data")], parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "The body; @FILE is a file's content, @- the standard input. Sent unchanged, with no "
                + "default content-type; several are joined with '&'.", valueName: "data"))
    var data: [String] = []

    @Flag(help: "Ask for encoded content and decode it: gzip, deflate, br, zstd.")
    var compressed = false

    func validate() throws {
        _ = try head()
    }

    /// The request's method and fields, and its body, which is read now unless it is a file.
    func plan() throws -> RequestPlan {
        let (method, fields) = try head()
        return RequestPlan(
            method: method, fields: fields, body: try body(), isDecoded: compressed)
    }

    private func head() throws -> (HTTPRequest.Method, HTTPFields) {
        let name = method ?? (data.isEmpty ? "GET" : "POST")
        guard let method = HTTPRequest.Method(rawValue: name) else {
            throw ValidationError("-X: '\(readable(name))' is not a method")
        }
        var fields = HTTPFields()
        for text in self.fields {
            if let field = try RequestArguments.field(parsing: text) { fields.append(field) }
        }
        return (method, fields)
    }

    /// Parses `Name: value`, `Name;` for a field without a value, or `Name:` for none, as curl
    /// does.
    ///
    /// Invalid bytes in a value are an error, because the text after them may be an attempt to
    /// inject a field.
    static func field(parsing text: String) throws -> HTTPField? {
        let end = text.firstIndex(of: ":")
        let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let beforeBlanks = text.lastIndex { !isBlank($0) }.map { text[...$0] } ?? ""
        let isNameAlone = end == nil && beforeBlanks.hasSuffix(";")
        guard end != nil || isNameAlone else {
            throw ValidationError("-H: '\(readable(text))' has no colon")
        }
        let nameText = String(end.map { text[..<$0] } ?? beforeBlanks.dropLast())
        guard let name = HTTPField.Name(nameText) else {
            throw ValidationError("-H: '\(readable(nameText))' is not a field name")
        }
        guard let end else { return HTTPField(name: name, value: "") }
        let value = text[end...].dropFirst()
        guard !value.allSatisfy(isBlank) else { return nil }
        do throws(TransportError) {
            return try HTTPField(name: name, checking: String(value))
        } catch {
            throw ValidationError("-H: \(nameText): \(error.message)")
        }
    }

    private func body() throws -> RequestPlan.Body {
        guard !data.isEmpty else { return .none }
        if data.count == 1, data[0].hasPrefix("@"), data[0] != "@-" {
            let path = String(data[0].dropFirst())
            return .file(path: path, length: try sizeOfFile(path))
        }
        var joined: [UInt8] = []
        for (index, part) in data.enumerated() {
            if index > 0 { joined.append(UInt8(ascii: "&")) }
            joined +=
                part.hasPrefix("@") ? try readWhole(String(part.dropFirst())) : Array(part.utf8)
        }
        return .bytes(Bytes(joined))
    }
}

/// The request for every URL.
struct RequestPlan: Sendable {
    /// The source of the body.
    enum Body: Sendable {
        case none
        case bytes(Bytes)
        /// A file, read for each exchange; the length is `nil` for a pipe or a device.
        case file(path: String, length: UInt64?)
    }

    let method: HTTPRequest.Method
    let fields: HTTPFields
    let body: Body
    /// Whether the content of responses is decoded.
    let isDecoded: Bool

    /// The body of one exchange.
    func requestBody(progress: Progress) -> RequestBody {
        switch body {
        case .none: return .empty
        case .bytes(let bytes): return .bytes(bytes)
        case .file(let path, let length):
            progress.expect(length)
            let pieces = FilePieces(path: path, progress: progress)
            guard let length else { return .oneShot { pieces } }
            // The engine reads files more efficiently; only a progress bar needs to see the pieces.
            guard progress.isEnabled else { return .file(path: path, length: length) }
            return .stream(length: length) { pieces }
        }
    }
}

/// A URL as it may be printed: a refused one may contain a user and a password, so everything
/// before the last `@` is left out.
func withoutCredentials(_ url: String) -> String {
    guard let end = url.lastIndex(of: "@"), (try? RequestURL(parsing: url)) == nil else {
        return url
    }
    let start = url[..<end].firstRange(of: "://")?.upperBound ?? url.startIndex
    return url[..<start] + "..." + url[end...]
}

/// The text with control characters escaped, so that a message stays on one line.
func readable(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
        let isControl = scalar.value < 0x20 || scalar.value == 0x7F
        result += isControl ? scalar.escaped(asASCII: true) : String(scalar)
    }
}
