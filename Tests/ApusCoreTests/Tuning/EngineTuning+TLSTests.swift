import ApusCore
import Testing

/// TLS settings compare by bytes, and sources by identity.
@Suite struct EngineTuningTLSTests {
    @Test func rootsAreEqualOnlyWhenTheirTextsHaveEqualBytes() {
        typealias Roots = EngineTuning.TLS.Roots
        let source = TLSSource { Bytes("a") }
        let all: [Roots] = [
            .system, .file("a"), .file("\u{e9}"), .file("e\u{301}"), .pem("a"), .pem("b"),
            .bytes(Bytes("a")), .bytes(Bytes("b")), .source(source),
            .source(TLSSource { Bytes("a") }),
        ]
        for (index, roots) in all.enumerated() {
            #expect(all.indices.filter { all[$0] == roots } == [index])
        }
        #expect(Roots.file("a").hashValue == Roots.file("a").hashValue)
        #expect(Roots.source(source).hashValue == Roots.source(source).hashValue)
    }

    @Test func anExactTextIsComparedByItsBytes() {
        var (composed, decomposed) = (EngineTuning.TLS(), EngineTuning.TLS())
        composed.serverName = "\u{e9}"
        decomposed.serverName = "e\u{301}"
        #expect(composed != decomposed)
        decomposed.serverName = "\u{e9}"
        #expect(composed == decomposed)
    }
}
