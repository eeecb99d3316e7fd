import Apus
import ApusWebSocket
import Testing

/// The negotiation of permessage-deflate (RFC 7692, section 7.1).
@Suite struct DeflateAgreementTests {
    private func agree(
        _ answer: [String], _ change: (inout WebSocketOptions.Compression) -> Void = { _ in }
    ) throws -> DeflateAgreement? {
        var wanted = WebSocketOptions.Compression()
        change(&wanted)
        return try DeflateAgreement(answer: answer, to: wanted)
    }

    @Test func aServerMayDecline() throws {
        #expect(try agree([]) == nil)
        #expect(try agree([""]) == nil)
        #expect(try agree([" , "]) == nil)
        #expect(try DeflateAgreement(answer: [], to: nil) == nil)
    }

    @Test func theAnswerDecides() throws {
        let plain = try #require(try agree(["permessage-deflate"]))
        #expect(plain.clientContextTakeover && plain.serverContextTakeover)
        #expect(plain.clientWindowBits == 15 && plain.serverWindowBits == 15)
        let full = try #require(
            try agree([
                "Permessage-Deflate; server_no_context_takeover; client_no_context_takeover;"
                    + " server_max_window_bits=\"10\"; client_max_window_bits=9"
            ]))
        #expect(!full.clientContextTakeover && !full.serverContextTakeover)
        #expect(full.clientWindowBits == 9 && full.serverWindowBits == 10)
    }

    @Test func whatTheClientWantsForItselfHoldsWithoutAnAnswer() throws {
        let agreement = try #require(
            try agree(["permessage-deflate; client_max_window_bits=14"]) {
                $0.clientContextTakeover = false
                $0.clientWindowBits = 12
            })
        #expect(!agreement.clientContextTakeover)
        #expect(agreement.clientWindowBits == 12)
    }

    @Test(arguments: [
        "permessage-deflate, permessage-deflate", "permessage-bzip2",
        "permessage-deflate; server_max_window_bits", "permessage-deflate; unknown",
        "permessage-deflate; server_no_context_takeover=1",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=08",
        "permessage-deflate; server_max_window_bits=+9",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate;", "permessage-deflate; =1", "permessage deflate", "; a", "a=b",
    ])
    func aWrongAnswerFailsTheHandshake(answer: String) {
        #expect(throws: WebSocketError.self) { try agree([answer]) }
        #expect(throws: WebSocketError.self) {
            try DeflateAgreement(answer: [answer], to: nil)
        }
    }

    @Test func anAnswerThatIgnoresTheRequestFailsTheHandshake() {
        #expect(throws: WebSocketError.self) {
            try agree(["permessage-deflate"]) { $0.serverContextTakeover = false }
        }
        #expect(throws: WebSocketError.self) {
            try agree(["permessage-deflate; server_max_window_bits=13"]) {
                $0.serverWindowBits = 12
            }
        }
    }
}
