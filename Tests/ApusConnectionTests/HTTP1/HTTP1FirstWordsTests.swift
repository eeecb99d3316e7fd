import ApusConnection
import ApusHTTP1
import HTTPTypes
import Testing

/// What a peer has sent before the first request, step by step.
@Suite struct HTTP1FirstWordsTests {
    private func keep(_ text: String, in words: inout HTTP1FirstWords) -> Bool {
        let bytes = Array(text.utf8)
        return unsafe words.keep(bytes.span.bytes)
    }

    private func head(_ status: Int) -> HTTP1Event {
        .head(HTTPResponse(status: .init(code: status)), bodyLength: nil)
    }

    @Test func aRequestThatFindsNoneIsSent() {
        var words = HTTP1FirstWords()
        let kept = words.requestBegins()
        #expect(kept == nil)
        // What comes after it is its answer.
        #expect(!keep("HTTP/1.1 200 OK", in: &words))
        #expect(words.fault(of: head(200)) == nil)
        #expect(!words.areHeard)
    }

    @Test func severalReadsAreKeptInOrder() throws {
        var words = HTTP1FirstWords()
        #expect(keep("SSH-", in: &words))
        #expect(keep("2.0 x", in: &words))
        #expect(words.keepEnd() == true)
        let begun = words.requestBegins()
        let kept = try #require(begun)
        #expect(String(decoding: kept.words, as: UTF8.self) == "SSH-2.0 x")
        #expect(kept.hasEnded)
        #expect(words.areHeard)
        #expect(
            words.fault("it ended") == "the peer spoke first: \"SSH-2.0\": it ended")
        // A fault is reported once.
        #expect(words.fault("it ended") == nil)
        #expect(words.keepEnd() == false)
    }

    @Test func anEndWithoutWordsIsNotKept() {
        var words = HTTP1FirstWords()
        #expect(words.keepEnd() == false)
    }

    @Test func wordsOnAConnectionThatIsIdleAreAFault() {
        var words = HTTP1FirstWords()
        #expect(keep("220 mail secret", in: &words))
        #expect(words.refuse() == "the peer spoke first: \"220\"")
        #expect(words.refuse() == nil)
        var none = HTTP1FirstWords()
        #expect(none.refuse() == nil)
        #expect(!keep("late", in: &none))
    }

    @Test(
        "only a refusal answers a request that was not sent",
        arguments: [(400, true), (503, true), (200, false), (302, false), (399, false)])
    func status(_ code: Int, isAnswer: Bool) {
        var words = HTTP1FirstWords()
        _ = keep("HTTP/1.1 ", in: &words)
        _ = words.requestBegins()
        let fault = words.fault(of: head(code))
        #expect((fault == nil) == isAnswer)
        #expect(!words.areHeard)
        if let fault {
            #expect(
                fault
                    == "the peer spoke first: \"HTTP/1.1\": a status of \(code) answers no request"
                    + " that was not sent")
        }
    }

    @Test(
        "an error shows the first word alone",
        arguments: [
            ("+OK secret", "\"+OK\""), ("a\"b", "\"a\""), ("a\\b", "\"a\""),
            ("\u{1}\u{2}", "bytes that are not text"), (" x", "bytes that are not text"),
            (String(repeating: "x", count: 99), "\"\(String(repeating: "x", count: 32))\""),
        ])
    func excerpt(_ text: String, shown: String) {
        var words = HTTP1FirstWords()
        _ = keep(text, in: &words)
        #expect(words.refuse() == "the peer spoke first: \(shown)")
    }
}
