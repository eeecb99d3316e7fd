import ApusSocket
import ApusWire
import Glibc
import Testing

/// What an error of the wire says of its peer; `ConnectionEndIncidentTests` show those of TLS.
@Suite(.timeLimit(.minutes(5))) struct WireEndingTests {
    @Test func systemErrors() {
        let endings: [(Int32, WireEnding?)] = [
            (ECONNRESET, .reset), (ETIMEDOUT, .silence), (EMFILE, nil),
        ]
        for (number, ending) in endings {
            let error = SystemError(errno: number, call: "recv")
            #expect(WireEnding(.system(error)) == ending, "\(number)")
        }
    }

    @Test func theLayersErrors() {
        #expect(WireEnding(.tunnel(.endedAtOnce)) == .tunnelEnd)
        #expect(WireEnding(.tunnel(.connectionEnded)) == .tunnelEnd)
        #expect(WireEnding(.endInHandshake) == .fin)
        #expect(WireEnding(.layerTakesNoMore) == nil)
    }
}
