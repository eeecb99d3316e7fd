import ApusCore
package import ApusHTTP1
import HTTPTypes

/// What the peer has sent on an HTTP/1.1 connection that has carried no request yet.
///
/// It speaks another protocol (SSH, SMTP), or it refuses the connection as it accepts it (503).
/// Only the request that the connection was dialled for hears of it: a whole refusal is its answer,
/// anything else is a fault. That request is not sent.
package struct HTTP1FirstWords {
    private enum State {
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

    /// How long the rest of a refusal's head may take that began before the request.
    static let patience = Duration.seconds(1)
    /// What an error shows of them: their first word, and no more of it than this.
    private static let maxShown = 32

    private var state = State.awaited

    package init() {}

    /// Whether they are read as an answer of which no head is complete.
    package var areHeard: Bool { if case .heard = state { true } else { false } }

    /// Keeps what comes before the first request, if that is on its way; whether it was kept.
    package mutating func keep(_ bytes: RawSpan) -> Bool {
        var words: [UInt8]
        switch state {
        case .awaited: words = []
        case .kept(let before, _): words = before
        case .heard, .none: return false
        }
        state = .none
        words.append(copying: bytes)
        state = .kept(words)
        return true
    }

    /// Notes the end of a connection whose first words are kept; whether they are.
    package mutating func keepEnd() -> Bool {
        guard case .kept(let words, _) = state else { return false }
        state = .kept(words, hasEnded: true)
        return true
    }

    /// No request is on its way here: what has come before the first one answers no request.
    ///
    /// - Returns: the fault; `nil` when nothing has come.
    package mutating func refuse() -> String? {
        switch state {
        case .heard, .none: return nil
        case .awaited:
            state = .none
            return nil
        case .kept(let words, _):
            state = .none
            return "the peer spoke first: \(HTTP1FirstWords.excerpt(of: words))"
        }
    }

    /// The first request begins.
    ///
    /// - Returns: what is to be read as its answer, and whether that is all; `nil` when nothing has
    ///   come, and the request is sent.
    package mutating func requestBegins() -> (words: [UInt8], hasEnded: Bool)? {
        guard case .kept(let words, let hasEnded) = state else {
            state = .none
            return nil
        }
        state = .heard(HTTP1FirstWords.excerpt(of: words))
        return (words, hasEnded)
    }

    /// The words break this rule, so that they are no answer.
    ///
    /// - Returns: the fault; `nil` when there are no words, or a refusal's head is complete.
    package mutating func fault(_ rule: String) -> String? {
        guard case .heard(let excerpt) = state else { return nil }
        state = .none
        return "the peer spoke first: \(excerpt): \(rule)"
    }

    /// What an event of the answer shows: only a refusal answers a request that was not sent.
    package mutating func fault(of event: HTTP1Event) -> String? {
        guard case .heard = state else { return nil }
        switch event {
        case .head(let response, _) where response.status.code >= 400:
            state = .none
            return nil
        case .head(let response, _), .informational(let response), .upgraded(let response):
            return fault("a status of \(response.status.code) answers no request that was not sent")
        case .body, .end: return nil
        }
    }

    /// The first word alone, which names a protocol; the rest may say more than a log should keep.
    private static func excerpt(of words: [UInt8]) -> String {
        let word = words.prefix(maxShown).prefix {
            (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\")
        }
        return word.isEmpty
            ? "bytes that are not text" : "\"\(String(decoding: word, as: UTF8.self))\""
    }
}
