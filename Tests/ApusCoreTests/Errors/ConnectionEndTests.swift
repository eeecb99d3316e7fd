import ApusCore
import Testing

/// Who cut an exchange, by what is known of its connection.
@Suite(.timeLimit(.minutes(5))) struct ConnectionEndTests {
    private func end(
        _ sign: ConnectionEnd.Sign, proxy: Bool = false, tls: Bool = true, silence: Double? = nil,
        goAway: Double? = nil
    ) -> ConnectionEnd {
        var end = ConnectionEnd(sign, age: .seconds(125), isThroughProxy: proxy, isSecured: tls)
        end.sinceReceived = silence.map { .seconds($0) }
        end.sinceSent = silence.map { .seconds($0) }
        end.sinceGoAway = goAway.map { .seconds($0) }
        return end
    }

    @Test func whatOnlyTheOriginCanSayIsTheOrigins() {
        for sign in [.closeNotify, .tlsAlert, .streamReset, .goAway] as [ConnectionEnd.Sign] {
            #expect(end(sign, proxy: true).cutBy == .origin, "\(sign)")
            #expect(end(sign, silence: 300).cutBy == .origin, "\(sign)")
        }
        #expect(end(.fin, proxy: true, goAway: 30).cutBy == .origin)
        #expect(end(.reset, tls: false, goAway: 30).cutBy == .origin)
        // The TLS that ended is the proxy's own.
        #expect(end(.closeNotify, proxy: true, tls: false).cutBy == nil)
    }

    @Test func anEndWithoutAWordOfTheOriginsIsTheWays() {
        for sign in [.fin, .reset] as [ConnectionEnd.Sign] {
            #expect(end(sign, proxy: true, silence: 0).cutBy == .way, "\(sign)")
            #expect(end(sign, silence: 10).cutBy == .way, "\(sign)")
            // The origin's process may have ended.
            #expect(end(sign, silence: 9.9).cutBy == nil, "\(sign)")
            #expect(end(sign).cutBy == nil, "\(sign)")
            // In the clear the end of TCP is the only word.
            #expect(end(sign, proxy: true, tls: false, silence: 100).cutBy == nil, "\(sign)")
        }
        #expect(end(.silence, tls: false).cutBy == .way)
        #expect(end(.tunnelEnd, proxy: true).cutBy == .way)
    }

    @Test func oneDirectionAloneThatIsSilentShowsNothing() {
        var end = end(.reset, silence: 100)
        end.sinceSent = .seconds(1)
        #expect(end.cutBy == nil)
    }

    @Test func theEnginesOwnEndIsHere() {
        #expect(end(.engine, proxy: true, silence: 300, goAway: 1).cutBy == .here)
    }

    @Test func theLineSaysWhatIsKnown() {
        var way = end(.reset, silence: 120)
        way.sinceSent = .seconds(15)
        way.pings = 8
        way.pingsAnswered = 8
        way.sinceAnswer = .milliseconds(14_900)
        #expect(
            "\(way)"
                == "RST on a connection of 125 s; last byte received 120 s before, "
                + "sent 15 s before; 8 of 8 PINGs answered, the last 14.9 s before; cut by the way")
        var stream = end(.streamReset, silence: 1)
        stream.silence = .seconds(60)
        #expect(
            "\(stream)"
                == "RST_STREAM on a connection of 125 s; last byte received 1 s before, "
                + "sent 1 s before; none of the response for 60 s; cut by the origin")
        #expect(
            "\(end(.fin, goAway: 30))"
                == "FIN on a connection of 125 s; GOAWAY 30 s before; cut by the origin")
        var fin = end(.fin, tls: false)
        (fin.bytesWritten, fin.bytesAcknowledged) = (512, 512)
        #expect("\(fin)" == "FIN on a connection of 125 s")
        fin.bytesAcknowledged = 0
        #expect(
            "\(fin)" == "FIN on a connection of 125 s; 0 of 512 bytes written acknowledged")
        #expect(
            "\(end(.localAddressLost))"
                == "loss of the local address on a connection of 125 s; ended here")
        var cut = end(.fin, proxy: true)
        cut.silenceLimit = .seconds(120)
        cut.silenceLimitSeen = 3
        #expect(
            "\(cut)"
                == "FIN on a connection of 125 s; "
                + "this way ends silent connections after 120 s (seen 3 times); cut by the way")
        var calm = end(.goAway)
        calm.nextPingAfter = .seconds(30)
        #expect(
            "\(calm)"
                == "GOAWAY on a connection of 125 s; "
                + "too_many_pings: 30 s between PINGs from now on; cut by the origin")
        #expect("\(end(.engine))" == "end on a connection of 125 s; ended here")
        #expect("\(end(.fin, tls: false))" == "FIN on a connection of 125 s")
    }

    @Test func theErrorsLineHoldsIt() {
        var error = TransportError(.reset, phase: .body, message: "Connection reset by peer")
        #expect(!"\(error)".contains("RST"))
        error.connectionEnd = end(.reset, proxy: true)
        #expect("\(error)".contains("(RST on a connection of 125 s; cut by the way)"))
    }
}
