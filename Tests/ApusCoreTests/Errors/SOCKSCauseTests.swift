import ApusCore
import Testing

/// Reply codes of SOCKS proxies and their causes.
@Suite struct SOCKSCauseTests {
    @Test(
        arguments: [
            (1, SOCKSCause.generalFailure), (2, .notAllowed), (3, .networkUnreachable),
            (4, .hostUnreachable), (5, .connectionRefused), (6, .ttlExpired),
            (7, .commandNotSupported),
            (8, .addressTypeNotSupported), (91, .rejected), (92, .identUnreachable),
            (93, .identMismatch), (0, .unassigned), (9, .unassigned), (90, .unassigned),
            (94, .unassigned), (255, .unassigned),
        ] as [(UInt8, SOCKSCause)])
    func eachCodeHasItsCause(code: UInt8, cause: SOCKSCause) {
        #expect(SOCKSCause(code: code) == cause)
        #expect(!cause.words.isEmpty)
    }

    @Test func onlyAProxysReplyHasACause() {
        let reply = TransportError(.proxyReply(5), phase: .proxy, message: "refused")
        #expect(reply.socksCause == .connectionRefused)
        #expect(TransportError(.proxyFailed, phase: .proxy, message: "closed").socksCause == nil)
    }
}
