import Apus
import Testing

// Requests made at random, as the server says that it read them.
extension Scenario {
    /// The server answers with what it read: `seen-*` fields, and the content.
    ///
    /// One connection carries them all, so a server that took more or less of a request than was
    /// meant would misread the next.
    static let reflection = Scenario("500 random requests, read as they were meant") { talk in
        var random = SystemRandomNumberGenerator()
        var before = "nothing"
        for round in 0..<500 {
            let sample = ReflectedRequest(&random)
            let response = try await talk.send(
                sample.method, "/reflect/" + sample.path, fields: sample.fields,
                body: sample.body)
            let content = try await Digested(response.body)
            let seen = ReflectedRequest.Seen(response.head.headerFields)
            guard response.status == .ok, seen == sample.expected,
                content == Digested(ServedFiles.pattern(sample.contentCount))
            else {
                Issue.record("round \(round): \(response.status), meant \(sample.expected)")
                Issue.record("read \(seen) and \(content.count) of \(sample.contentCount) bytes")
                return
            }
            #expect(
                response.info.isReused == (round > 0),
                "round \(round), after \(before): \(talk.engine.snapshot().counters.closes)")
            before = "\(sample.method) of \(sample.contentCount) bytes"
        }
    }
}

/// A request of random spelling, within what the servers can say again.
private struct ReflectedRequest {
    /// What a server read, as bytes: values need not be text.
    struct Seen: Equatable {
        var method: [UInt8]
        var target: [UInt8]
        /// Of `x-one`, `x-two` and `x-three`, where they were there and not empty.
        var values: [[UInt8]?]
    }

    let method: HTTPRequest.Method
    let path: String
    let fields: HTTPFields
    let contentCount: Int
    let body: RequestBody
    let expected: Seen

    init(_ random: inout SystemRandomNumberGenerator) {
        let methods: [HTTPRequest.Method] = [.get, .post, .put, .delete, .patch, .options]
        method = methods.randomElement(using: &random) ?? .get
        // Not "?" at the end: a server cannot report an empty query.
        path =
            String(decoding: Self.some(0..<60, of: Self.targetBytes, &random), as: UTF8.self) + "e"
        var fields = HTTPFields()
        var values: [[UInt8]?] = [nil, nil, nil]
        // In any order, with other fields between them.
        for index in [0, 1, 2, 3, 4].shuffled(using: &random) where Bool.random(using: &random) {
            // Blanks at the ends of a value are not its own.
            let value =
                [UInt8(ascii: "a")] + Self.some(0..<40, of: Self.valueBytes, &random)
                + [UInt8(ascii: "z")]
            guard let name = HTTPField.Name(index < 3 ? Self.names[index] : "X-Other-\(index)")
            else { continue }
            fields.append(HTTPField(name: name, value: value))
            if index < 3 { values[index] = value }
        }
        self.fields = fields
        let takesContent = [.post, .put, .patch].contains(method)
        // None at all is a case of its own: the request is whole with its head.
        let maxContent = [0, 20_000, 20_000].randomElement(using: &random) ?? 0
        contentCount = takesContent ? Int.random(in: 0...maxContent, using: &random) : 0
        body =
            switch takesContent ? Int.random(in: 0..<3, using: &random) : 3 {
            case 0: .made(contentCount, length: UInt64(contentCount))
            case 1: .made(contentCount, length: nil)
            case 2: .segments(ServedFiles.pattern(contentCount).map { Bytes($0) })
            default: .empty
            }
        expected = Seen(
            method: Array(method.rawValue.utf8), target: Array("/reflect/\(path)".utf8),
            values: values)
    }

    private static let names = ["X-One", "x-tWO", "X-three"]
    // Servers read dots, percent signs and second slashes before they compare.
    private static let targetBytes = [UInt8](0x21..<0x7F).filter { !"#%./\\".utf8.contains($0) }
    private static let valueBytes = [UInt8](0x20..<0x7F) + [0x09] + [UInt8](0xA0...0xFF)

    private static func some(
        _ count: Range<Int>, of bytes: [UInt8], _ random: inout SystemRandomNumberGenerator
    ) -> [UInt8] {
        (0..<Int.random(in: count, using: &random)).map { _ in
            bytes.randomElement(using: &random) ?? 0x61
        }
    }
}

extension ReflectedRequest.Seen {
    init(_ fields: HTTPFields) {
        func value(_ name: String) -> [UInt8]? {
            guard let name = HTTPField.Name(name), let field = fields[fields: name].first
            else { return nil }
            return field.withUnsafeBytesOfValue { Array($0) }
        }
        self.init(
            method: value("seen-method") ?? [], target: value("seen-target") ?? [],
            values: ["seen-one", "seen-two", "seen-three"].map(value))
    }
}
