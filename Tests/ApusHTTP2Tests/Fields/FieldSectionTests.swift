import ApusCore
import ApusHTTP2
import Testing

private func limits(bytes: Int = 1_024, fields: Int = 10) -> EngineTuning.Limits {
    var limits = EngineTuning.Limits()
    limits.headBytes = bytes
    limits.headFields = fields
    return limits
}

private func opened(_ limits: EngineTuning.Limits) throws -> Harness {
    let harness = try Harness(limits: limits)
    try harness.request()
    try harness.request()
    _ = harness.takeSent()
    return harness
}

/// `:status: 200` makes 42 of `total` bytes as they are counted, the other field the rest.
private func head(total: Int) -> [(String, String)] {
    [(":status", "200"), ("x", String(repeating: "v", count: total - 42 - 33))]
}

@Suite struct FieldSectionTests {
    @Test func aHeadAtItsBoundIsTaken() throws {
        let harness = try opened(limits())
        harness.receive(Wire.headers(1, head(total: 1_024), end: true))
        #expect(harness.takeLog().suffix(2) == ["end 1", "closed 1"])
    }

    @Test(arguments: [Int.max, 1])
    func aHeadBeyondItsBoundEndsItsStreamOnly(step: Int) throws {
        let harness = try opened(limits())
        harness.receive(
            Wire.headers(1, head(total: 1_025)) + Wire.data(1, "x") + Wire.head(3, end: true),
            step: step)
        #expect(
            harness.takeLog() == [
                "failed 1 tooLarge(more than 1024 bytes of fields)", "head 3 200 end", "end 3",
                "closed 3", "closed 1",
            ])
        #expect(harness.takeSent() == ["RST 1 11"])
    }

    @Test(
        "fields are counted as on HTTP/1.1, where the status is none",
        arguments: [(10, true), (11, false)])
    func fieldsAreCounted(count: Int, isTaken: Bool) throws {
        let harness = try opened(limits(bytes: 65_536))
        let fields = (0..<count).map { ("x-\($0)", "v") }
        harness.receive(Wire.headers(1, [(":status", "200")] + fields, end: true))
        #expect(harness.log.contains("end 1") == isTaken)
        #expect(harness.log.contains("failed 1 tooLarge(more than 10 fields)") == !isTaken)
        #expect(harness.takeLog().last == "closed 1")
    }

    @Test(arguments: [(4_096 + 3, true), (4_096 + 4, false)])
    func aBombEndsTheConnection(total: Int, survives: Bool) throws {
        let harness = try opened(limits())
        harness.receive(Wire.headers(1, head(total: total)))
        #expect(harness.error?.kind == (survives ? nil : .abuse(.fieldSection)))
        #expect(harness.takeSent() == [survives ? "RST 1 11" : "GOAWAY 11"])
    }

    @Test("2.1 HPACK bomb (CVE-2016-6581)") func aBombByReferenceEndsTheConnectionEarly() throws {
        let harness = try opened(limits(bytes: 65_536, fields: 10_000))
        // One entry of 4,000 bytes in the dynamic table, then named again by single bytes.
        let entry =
            [0x40, 1, UInt8(ascii: "x"), 0x7F, 0xA1, 0x1E] + [UInt8](repeating: 0x61, count: 4_000)
        let block =
            Wire.block([(":status", "200")]) + entry + [UInt8](repeating: 0xBE, count: 10_000)
        let frame = Wire.frame(1, flags: 4, stream: 1, block)
        var mostKept = 0
        // In small steps, so that what is kept between them shows.
        for start in stride(from: 0, to: frame.count, by: 8) {
            let step = Array(frame[start..<min(start + 8, frame.count)])
            harness.receive(step, pumps: false)
            mostKept = max(mostKept, harness.session.load.keptFieldBytes)
        }
        #expect(harness.error?.kind == .abuse(.fieldSection))
        // 40 million bytes are named: four bounds of them are decoded, and one is kept.
        #expect((1...65_536).contains(mostKept))
        #expect(harness.session.load.decodedFieldBytes <= 4 * 65_536 + 4_033)
        #expect(harness.session.load.keptFieldBytes == 0)
    }

    @Test func trailersHaveTheSameBound() throws {
        let harness = try opened(limits())
        let trailers = [("x", String(repeating: "v", count: 1_024))]
        harness.receive(Wire.head(1) + Wire.data(1, "x") + Wire.trailers(1, trailers))
        #expect(
            harness.takeLog() == [
                "head 1 200", "body 1 x",
                "failed 1 tooLarge(more than 1024 bytes of fields)", "closed 1",
            ])
    }

    @Test("2.1 1xx flood", arguments: [(16, true), (17, false)])
    func informationalAnswersAreFew(count: Int, isTaken: Bool) throws {
        let harness = try Harness()
        try harness.request()
        let bytes = (0..<count).flatMap { _ in Wire.head(1, "103") }
        harness.receive(bytes + Wire.head(1, end: true))
        #expect(harness.log.filter { $0 == "informational 1 103" }.count == min(count, 16))
        #expect(harness.log.contains("end 1") == isTaken)
        #expect(
            harness.log.contains("failed 1 tooLarge(more than 16 informational responses)")
                == !isTaken)
        #expect(harness.takeLog().last == "closed 1")
    }

    @Test func knownAndUnknownNamesComeAsTheyAre() throws {
        let harness = try Harness()
        try harness.request()
        harness.receive(
            Wire.headers(
                1,
                [
                    (":status", "200"), ("content-type", "a"), ("content-typf", "b"), ("date", "c"),
                    ("x-unheard-of", "d"), ("!#$%&'*+-.^_`|~09", "e"),
                ], end: true))
        #expect(
            harness.takeLog().first
                == "head 1 200 content-type=a content-typf=b date=c x-unheard-of=d"
                + " !#$%&'*+-.^_`|~09=e end")
    }

    @Test(
        "a Content-Length among the trailers is refused as on HTTP/1.1", arguments: [true, false])
    func aContentLengthIsNoTrailer(isAnnounced: Bool) throws {
        let harness = try opened(limits())
        let head = [(":status", "200")] + (isAnnounced ? [("content-length", "1")] : [])
        harness.receive(
            Wire.headers(1, head) + Wire.data(1, "x") + Wire.trailers(1, [("content-length", "1")])
                + Wire.head(3, end: true))
        let log = harness.takeLog()
        #expect(log.contains { $0.hasPrefix("failed 1 malformed(") })
        #expect(!log.contains { $0.hasPrefix("end 1") })
        #expect(log.contains("end 3"))
        #expect(harness.takeSent() == ["RST 1 1"])
        #expect(harness.error == nil)
    }

    @Test("a fault of HPACK is reported by its rule and its bound, however it was cut")
    func faultsOfHPACKAreExplained() throws {
        let status = Wire.block([(":status", "200")])
        let value = Wire.block([("x", String(repeating: "v", count: 70_000))])
        // An index of 0 (RFC 7541, section 6.1), and a value longer than nghttp2 decodes.
        for block in [status + [0x80], status + value] {
            for step in [Int.max, 1_000, 1] {
                let harness = try opened(limits(bytes: 1 << 20))
                let rest = Array(block.dropFirst(16_384).prefix(16_384))
                harness.receive(
                    Wire.frame(1, stream: 1, Array(block.prefix(16_384)))
                        + Wire.frame(9, flags: 4, stream: 1, rest), step: step)
                #expect(harness.error?.kind == .protocolViolation(code: 9))
                let message = harness.error?.message ?? ""
                #expect(message.contains("RFC 7541") && message.contains("65536"), "\(message)")
            }
        }
    }

    @Test("a value as long as nghttp2 decodes is taken")
    func aValueOfTheLongestLengthIsTaken() throws {
        let harness = try opened(limits(bytes: 1 << 20))
        let value = String(repeating: "v", count: 65_536)
        let block = Wire.block([(":status", "200"), ("x", value)])
        let parts = stride(from: 0, to: block.count, by: 16_384).map {
            Array(block[$0..<min($0 + 16_384, block.count)])
        }
        for (index, part) in parts.enumerated() {
            let isLast = index == parts.count - 1
            harness.receive(
                Wire.frame(index == 0 ? 1 : 9, flags: isLast ? 4 : 0, stream: 1, part))
        }
        #expect(harness.error == nil)
        #expect(harness.takeLog() == ["head 1 200 x=\(value)"])
    }
}
