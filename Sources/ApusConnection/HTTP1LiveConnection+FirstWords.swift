import ApusCore
import ApusHTTP1
import ApusSocket
import ApusWire
import HTTPTypes

/// How long the rest of a refusal's head may take that began before the request.
private let firstWordsPatience = Duration.seconds(1)
/// What an error shows of the first words: their first word, and no more of it than this.
private let maxShownFirstWord = 32

/// What the peer has said on a connection that has carried no request yet.
enum FirstWords {
    /// Nothing; the request that the connection was dialled for is still to begin.
    ///
    /// Exits: `.kept`, `.none`.
    case awaited
    /// Bytes of one read, kept until that request begins; nothing more is read until then.
    /// `hasEnded`: the same read has met the end.
    ///
    /// Exits: `.heard`, `.none`.
    case kept([UInt8], hasEnded: Bool = false)
    /// The request has begun, and they are read as its answer; so far no head is complete. The
    /// value is what an error shows of them.
    ///
    /// Exits: `.none`.
    case heard(String)
    /// There are none, or what they are is known; bytes that no request asked for are refused.
    case none
}

// A peer that speaks first: another protocol (SSH, SMTP), or a server that refuses a connection as
// it accepts it (503). Only the request that the connection was dialled for hears of it.
extension HTTP1LiveConnection {
    /// Keeps what comes before the first request, if that is on its way; whether it was kept.
    func keepFirstWords(_ bytes: RawSpan) -> Bool {
        var words: [UInt8]
        switch firstWords {
        case .awaited: words = []
        case .kept(let before, _): words = before
        case .heard, .none: return false
        }
        firstWords = .none
        words.append(copying: bytes)
        firstWords = .kept(words)
        isPaused = true
        return true
    }

    /// Notes the end of a connection whose first words are kept; whether they are.
    func keepEnd() -> Bool {
        guard case .kept(let words, _) = firstWords else { return false }
        firstWords = .kept(words, hasEnded: true)
        return true
    }

    /// No request is on its way here: what has come before the first one answers no request.
    func refuseFirstWords() {
        switch firstWords {
        case .awaited: firstWords = .none
        case .kept(let words, _):
            firstWords = .none
            end(.unsolicitedBytes, .malformed, "the peer spoke first: \(excerpt(of: words))")
        case .heard, .none: break
        }
    }

    /// Reads what came before an exchange's request as its answer, which only a refusal can be.
    ///
    /// The request is not sent: it is refused already, or the peer speaks another protocol.
    func answer(_ exchange: Exchange, by words: [UInt8], hasEnded: Bool) {
        guard exchange.begin(on: self, isReused: false) else {
            return end(.unsolicitedBytes, .malformed, "the peer spoke first")
        }
        self.exchange = exchange
        firstWords = .heard(excerpt(of: words))
        machine.requestStarted(
            method: exchange.request.head.method, expectsClose: true, upgrade: nil)
        sentBefore = wire.sentCount
        if exchange.request.hasTimeouts { startTimers(of: exchange) }
        isPaused = false
        unsafe bytesReceived(words.span.bytes)
        if self.exchange === exchange { hasEnded ? peerEnded() : readInput() }
        guard case .heard = firstWords else { return }
        let deadline = Deadline.now().advanced(by: firstWordsPatience)
        _ = loop.schedule(at: deadline) { [weak self] in
            self?.assumeIsolated { _ = $0.failByFirstWords("its words are no whole answer") }
        }
    }

    /// Whether an event of the answer shows that the first words are none; ends the exchange then.
    func failByFirstWords(_ event: HTTP1Event) -> Bool {
        guard case .heard = firstWords else { return false }
        switch event {
        case .head(let response, _) where response.status.code >= 400:
            firstWords = .none
            return false
        case .head(let response, _), .informational(let response), .upgraded(let response):
            return failByFirstWords(
                "a status of \(response.status.code) answers no request that was not sent")
        case .body, .end: return false
        }
    }

    /// Fails the exchange whose peer spoke first, before a refusal's head is complete.
    ///
    /// It is not sent again: another connection would hear the same.
    ///
    /// - Returns: whether there was one.
    func failByFirstWords(_ rule: String) -> Bool {
        guard case .heard(let excerpt) = firstWords, let exchange else { return false }
        firstWords = .none
        self.exchange = nil
        exchange.timers.stop(on: loop)
        let message = "the peer spoke first: \(excerpt): \(rule)"
        end(.unsolicitedBytes, .malformed, message)
        exchange.failed(.malformed, phase: .send, message, replay: .notSent)
        return true
    }

    /// The first word alone, which names a protocol; the rest may say more than a log should keep.
    private func excerpt(of words: [UInt8]) -> String {
        let word = words.prefix(maxShownFirstWord).prefix {
            (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }
        return word.isEmpty
            ? "bytes that are no text" : "\"\(String(decoding: word, as: UTF8.self))\""
    }
}
